/// Activations, their derivatives, and optimizers: every entry of the registries, in bytes and elements a second.
#include <benchmark/benchmark.h>

#include <random>
#include <string>
#include <vector>

#include "math/activate.hpp"
#include "math/optimizers.hpp"

namespace {

using lamina::Index;

constexpr Index rows = 64, units = 64;  // fits the first-level cache, as a layer's block does

template <class T> std::vector<T> normal(Index n) {
  std::mt19937 generator(1);
  std::normal_distribution<double> draw(0, 2);
  std::vector<T> out(static_cast<std::size_t>(n));
  for (T& x : out) x = static_cast<T>(draw(generator));
  return out;
}

void count_elements(benchmark::State& state, Index n) {
  state.counters["elements"] =
      benchmark::Counter(static_cast<double>(state.iterations()) * static_cast<double>(n), benchmark::Counter::kIsRate);
}

template <class T> void time_value(benchmark::State& state, const lamina::Activation& f) {
  std::vector<T> z = normal<T>(rows * units), y = z;
  const std::vector<T> slopes(static_cast<std::size_t>(units), T(0.25));
  for (auto _ : state) {
    lamina::activate<T>(f, {{z.data(), rows, units}, {y.data(), rows, units}, {}, {slopes.data(), rows, units, 0}});
    benchmark::DoNotOptimize(y.data());
  }
  count_elements(state, rows * units);
}

template <class T> void time_derivative(benchmark::State& state, const lamina::Activation& f) {
  std::vector<T> z = normal<T>(rows * units), y = z, delta = z;
  const std::vector<T> slopes(static_cast<std::size_t>(units), T(0.25));
  lamina::evaluate<T>(f, {z.data(), rows, units}, {y.data(), rows, units});
  for (auto _ : state) {
    lamina::multiply_derivative<T>(f, {z.data(), rows, units}, {y.data(), rows, units}, {delta.data(), rows, units},
                                   {slopes.data(), rows, units, 0});
    benchmark::DoNotOptimize(delta.data());
  }
  count_elements(state, rows * units);
}

template <class T> void time_step(benchmark::State& state, const lamina::Optimizer& optimizer) {
  const Index n = state.range(0);
  std::vector<T> w = normal<T>(n), g = normal<T>(n), first(w.size(), T(0.1)), second(w.size(), T(0.1));
  T* slots[2] = {first.data(), second.data()};
  lamina::RunningOptimizer running = lamina::running(optimizer);
  for (auto _ : state) {
    lamina::advance(running, 1e-6);
    lamina::optimizer_step<T>(running, {w.data(), g.data(), slots, n});
    benchmark::DoNotOptimize(w.data());
  }
  count_elements(state, n);
}

template <class T> void add(const std::string& type) {
  lamina::for_each_type<lamina::Activation>([&](const auto& f) {
    benchmark::RegisterBenchmark((type + "/" + f.name + "/value").c_str(), &time_value<T>, lamina::Activation(f));
    benchmark::RegisterBenchmark((type + "/" + f.name + "/derivative").c_str(), &time_derivative<T>,
                                 lamina::Activation(f));
  });
  lamina::for_each_type<lamina::Optimizer>([&](const auto& rule) {
    benchmark::RegisterBenchmark((type + "/" + rule.name + "/step").c_str(), &time_step<T>, lamina::Optimizer(rule))
        ->Arg(4096)
        ->Arg(1 << 21);
  });
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  add<float>("float");
  add<double>("double");
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
