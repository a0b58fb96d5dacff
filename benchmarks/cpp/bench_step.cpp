/// Whole training steps (forward, loss, backward, Adam), one thread: the tasks of `benchmarks/run.py` without Python.
/// And what a step is made of, each alone with its operands in cache as far as they fit: its products, Adam, its loss
/// and its activations. What the step takes beyond their sum is the way between them: memory, packing, calls.
///
/// Counters: `step` is the time a step, `%peak` the step's products at that time, in per cent of the peak of the same
/// run. On a machine with neighbours: --benchmark_repetitions=20 --benchmark_report_aggregates_only, and look
/// at the times of `min` and the `%peak` of `max`.
#include <benchmark/benchmark.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "kernels/machine.hpp"
#include "kernels/strided_product.hpp"
#include "math/activate.hpp"
#include "train/trainer.hpp"

namespace {

using lamina::Index;
using Operand = lamina::kernels::Operand<float>;

struct Task {
  const char* name;
  Index batch, batches;
  std::vector<Index> widths;
};

const std::vector<Task>& tasks() {
  static const std::vector<Task> all{
      {"T 4-16-3", 16, 64, {4, 16, 3}},
      {"S 64-64-10", 32, 64, {64, 64, 10}},
      {"M 784-256-128-10", 128, 8, {784, 256, 128, 10}},
      {"L 784-1024-1024-10", 256, 4, {784, 1024, 1024, 10}},
  };
  return all;
}

/// Operations of the products of a step; the first layer's input gradient is left out.
double operations_of(const Task& task) {
  double operations = 0;
  for (std::size_t i = 1; i < task.widths.size(); ++i)
    operations += static_cast<double>((i == 1 ? 4 : 6) * task.batch * task.widths[i - 1] * task.widths[i]);
  return operations;
}

void report(benchmark::State& state, Index steps_an_iteration, double operations_a_step) {
  const double steps = static_cast<double>(state.iterations()) * static_cast<double>(steps_an_iteration);
  state.counters["step"] = benchmark::Counter(steps, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
  if (operations_a_step == 0) return;
  static const double peak = lamina::kernels::measure_peak(0.2) * 1e9;
  state.counters["%peak"] = benchmark::Counter(100 * operations_a_step * steps / peak, benchmark::Counter::kIsRate);
}

std::vector<float> normal(Index n) {
  std::mt19937 generator(1);
  std::normal_distribution<float> draw;
  std::vector<float> x(static_cast<std::size_t>(n));
  for (float& v : x) v = draw(generator);
  return x;
}

void time_products(benchmark::State& state, const Task& task) {
  const auto widest = *std::max_element(task.widths.begin(), task.widths.end());
  const std::vector<float> x = normal(task.batch * widest), delta = x, w = normal(widest * widest);
  std::vector<float> rows(x.size()), gradient(w.size());
  lamina::kernels::PackBuffer<float> buffer;
  const auto product = [&](Index m, Index n, Index k, Operand a, Operand b, float* c) {
    lamina::kernels::multiply<float>({m, n, k, a, b, c, n}, buffer);
  };
  for (auto _ : state) {
    for (std::size_t i = 1; i < task.widths.size(); ++i) {
      const Index in = task.widths[i - 1], out = task.widths[i];
      product(task.batch, out, in, {x.data(), in, 1}, {w.data(), out, 1}, rows.data());
      product(in, out, task.batch, {x.data(), 1, in}, {delta.data(), out, 1}, gradient.data());
      if (i > 1) product(task.batch, in, out, {delta.data(), out, 1}, {w.data(), 1, out}, rows.data());
    }
    benchmark::ClobberMemory();
  }
  report(state, 1, operations_of(task));
}

void time_optimizer(benchmark::State& state, const Task& task) {
  Index n = 0;
  for (std::size_t i = 1; i < task.widths.size(); ++i) n += (task.widths[i - 1] + 1) * task.widths[i];
  std::vector<float> w = normal(n), first = w, second(w.size(), 0.1f);
  const std::vector<float> gradient = w;
  float* slots[2] = {first.data(), second.data()};
  lamina::RunningOptimizer adam = lamina::running(lamina::optimizer::Adam{});
  for (auto _ : state) {
    lamina::advance(adam, 1e-6);
    lamina::optimizer_step<float>(adam, {w.data(), gradient.data(), slots, n});
    benchmark::ClobberMemory();
  }
  report(state, 1, 0);
}

void time_loss_and_activations(benchmark::State& state, const Task& task) {
  const Index outputs = task.widths.back();
  const std::vector<float> y = normal(task.batch * outputs);
  std::vector<float> delta(y.size()), row_loss(static_cast<std::size_t>(task.batch));
  const std::vector<std::int32_t> labels(static_cast<std::size_t>(task.batch), 1);
  lamina::TargetRows<float> targets;
  targets.targets.labels = labels.data();
  const lamina::Loss loss = lamina::loss::CrossEntropy{};
  const lamina::Activation relu = lamina::activation::Relu{};
  std::vector<float> hidden = normal(task.batch * task.widths[1]), slope = hidden;
  const std::vector<float> bias = normal(task.widths[1]);
  for (auto _ : state) {
    for (std::size_t i = 1; i + 1 < task.widths.size(); ++i) {
      const lamina::Matrix<float> z(hidden.data(), task.batch, task.widths[i]);
      lamina::activate<float>(relu, {z, z, {bias.data(), task.widths[i]}});
      lamina::multiply_derivative<float>(relu, {}, z, {slope.data(), task.batch, task.widths[i]}, {});
    }
    lamina::evaluate_loss<float>(loss, {y.data(), task.batch, outputs}, targets, {row_loss.data(), task.batch}, 1.0f,
                                 {delta.data(), task.batch, outputs});
    benchmark::ClobberMemory();
  }
  report(state, 1, 0);
}

void time_step(benchmark::State& state, const Task& task) {
  lamina::Architecture architecture;
  architecture.n_inputs = task.widths.front();
  architecture.loss = lamina::loss::CrossEntropy{};
  for (std::size_t i = 1; i < task.widths.size(); ++i) {
    lamina::layer::Dense dense;
    dense.units = task.widths[i];
    if (i + 1 < task.widths.size()) dense.activation = lamina::activation::Relu{};
    architecture.layers.emplace_back(dense);
  }
  lamina::Network<float> network(architecture);
  const Index rows = task.batch * task.batches;
  const std::vector<float> x = normal(rows * network.inputs());
  std::mt19937 generator(1);
  std::vector<std::int32_t> labels(static_cast<std::size_t>(rows));
  for (std::int32_t& v : labels) v = static_cast<std::int32_t>(generator() % static_cast<unsigned>(network.outputs()));
  lamina::Samples<float> samples;
  samples.x = lamina::Matrix<const float>(x.data(), rows, network.inputs());
  samples.y.labels = labels.data();
  samples.count = rows;
  lamina::FitOptions options;
  options.epochs = 1;
  options.batch_size = task.batch;
  options.shuffle = false;
  options.threads = 1;
  lamina::OptimizerMemory<float> memory;
  lamina::History history;
  for (auto _ : state) {
    options.resume = memory.optimizer.has_value();
    lamina::fit<float>(network, samples, {}, options, memory, history);
  }
  report(state, task.batches, operations_of(task));
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  const auto least = [](const std::vector<double>& v) { return *std::min_element(v.begin(), v.end()); };
  const auto most = [](const std::vector<double>& v) { return *std::max_element(v.begin(), v.end()); };
  const auto add = [&](const std::string& name, auto* run, const Task& task) {
    benchmark::RegisterBenchmark(name.c_str(), run, task)
        ->ComputeStatistics("min", least)
        ->ComputeStatistics("max", most);
  };
  for (const Task& task : tasks()) {
    const std::string name = task.name;
    add(name + "/step", &time_step, task);
    add(name + "/products", &time_products, task);
    add(name + "/Adam", &time_optimizer, task);
    add(name + "/loss and activations", &time_loss_and_activations, task);
  }
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
