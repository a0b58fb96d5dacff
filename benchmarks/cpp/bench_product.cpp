/// Matrix products of a training step, in GFLOP/s and in per cent of one core's fp32 or fp64 peak, beside Eigen's.
/// Answers are checked before anything is timed. One thread.
///
/// The peak is taken anew with every repetition, and the best one so far is what counts. On a machine with neighbours:
/// --benchmark_repetitions=20 --benchmark_report_aggregates_only --benchmark_enable_random_interleaving, and look at
/// the times of `min` and the `%peak` of `max`.
#include <benchmark/benchmark.h>

#include <Eigen/Core>
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>

#include "core/arena.hpp"
#include "kernels/simd.hpp"
#include "kernels/strided_product.hpp"

namespace {

using lamina::Arena;
using lamina::Index;
using lamina::kernels::Operand;
using lamina::kernels::PackBuffer;

/// Floating-point operations a second of independent chains of fma in registers: the best of several short runs.
template <class T> double measured_peak() {
  using V = lamina::simd::Vec<T>;
  constexpr int chains = 12, repeats = 20000;
  double best = 0;
  for (int run = 0; run < 20; ++run) {
    V sum[chains];
    for (int i = 0; i < chains; ++i) sum[i] = V(typename V::Raw{}) + V(T(i + 1));
    V x(T(0.999)), y(T(0.001));
    const auto start = std::chrono::steady_clock::now();
    for (int r = 0; r < repeats; ++r) {
#pragma GCC unroll 12
      for (int i = 0; i < chains; ++i) sum[i] = lamina::simd::fma(sum[i], x, y);
    }
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - start;
    for (int i = 1; i < chains; ++i) sum[0] += sum[i];
    benchmark::DoNotOptimize(sum[0]);
    best = std::max(best, 2.0 * V::size * chains * repeats / seconds.count());
  }
  return best;
}

/// The best peak of this run so far, after another look; the first one is long, lest early repetitions be measured
/// against a peak that a neighbour has lowered.
template <class T> double peak() {
  static double best = 0;
  for (int look = best > 0 ? 1 : 100; look > 0; --look) best = std::max(best, measured_peak<T>());
  return best;
}

/// The three products of a dense layer: X W, Xᵀ dZ and dZ Wᵀ.
enum class Use { forward, weight_gradient, input_gradient };

struct Task {
  const char* name;
  Use use;
  Index batch, fan_in, fan_out;
};

constexpr Task tasks[] = {
    {"T 4-16", Use::forward, 16, 4, 16},
    {"T 4-16", Use::weight_gradient, 16, 4, 16},
    {"T 16-3", Use::forward, 16, 16, 3},
    {"T 16-3", Use::weight_gradient, 16, 16, 3},
    {"T 16-3", Use::input_gradient, 16, 16, 3},
    {"S 64-64", Use::forward, 32, 64, 64},
    {"S 64-64", Use::weight_gradient, 32, 64, 64},
    {"S 64-64", Use::input_gradient, 32, 64, 64},
    {"S 64-10", Use::forward, 32, 64, 10},
    {"S 64-10", Use::weight_gradient, 32, 64, 10},
    {"S 64-10", Use::input_gradient, 32, 64, 10},
    {"recurrent 16-64", Use::forward, 32, 16, 64},
    {"one row 64-64", Use::forward, 1, 64, 64},
    {"one row 64-10", Use::forward, 1, 64, 10},
    {"one row 784-256", Use::forward, 1, 784, 256},
    {"M 784-256", Use::forward, 128, 784, 256},
    {"M 784-256", Use::weight_gradient, 128, 784, 256},
    {"M 256-128", Use::forward, 128, 256, 128},
    {"M 256-128", Use::weight_gradient, 128, 256, 128},
    {"M 256-128", Use::input_gradient, 128, 256, 128},
    {"M 128-10", Use::forward, 128, 128, 10},
    {"M 128-10", Use::weight_gradient, 128, 128, 10},
    {"M 128-10", Use::input_gradient, 128, 128, 10},
    {"L 784-1024", Use::forward, 256, 784, 1024},
    {"L 784-1024", Use::weight_gradient, 256, 784, 1024},
    {"L 1024-1024", Use::forward, 256, 1024, 1024},
    {"L 1024-1024", Use::weight_gradient, 256, 1024, 1024},
    {"L 1024-1024", Use::input_gradient, 256, 1024, 1024},
    {"L 1024-10", Use::forward, 256, 1024, 10},
    {"L 1024-10", Use::weight_gradient, 256, 1024, 10},
    {"L 1024-10", Use::input_gradient, 256, 1024, 10},
    {"simple 4-32", Use::forward, 10000, 4, 32},
    {"simple 32-16", Use::weight_gradient, 10000, 32, 16},
    {"wide batch 28-1024", Use::forward, 4096, 28, 1024},
    {"wide batch 1024-1024", Use::forward, 4096, 1024, 1024},
    {"wide batch 1024-1024", Use::weight_gradient, 4096, 1024, 1024},
    {"wide batch 1024-1", Use::forward, 4096, 1024, 1},
    {"wide batch 1024-1", Use::weight_gradient, 4096, 1024, 1},
    {"wide batch 1024-1", Use::input_gradient, 4096, 1024, 1},
    {"HIGGS 300-300", Use::forward, 100, 300, 300},
    {"HIGGS 300-300", Use::weight_gradient, 100, 300, 300},
    {"HIGGS 300-300", Use::input_gradient, 100, 300, 300},
    {"width 100-17", Use::forward, 64, 100, 17},
    {"width 100-45", Use::forward, 64, 100, 45},
    {"width 100-46", Use::forward, 64, 100, 46},
    {"width 100-100", Use::forward, 64, 100, 100},
};

/// The matrices of a task, in memory as a network's, and its product by either library.
template <class T> struct Problem {
  using Matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
  using Map = Eigen::Map<Matrix, Eigen::Aligned64>;

  explicit Problem(const Task& t) : task(t) {
    const bool forward = task.use == Use::forward, weights = task.use == Use::weight_gradient;
    m = weights ? task.fan_in : task.batch;
    n = task.use == Use::input_gradient ? task.fan_in : task.fan_out;
    k = forward ? task.fan_in : weights ? task.batch : task.fan_out;
    std::srand(1);
    fill(left_memory, left, weights ? k : m, weights ? m : k);
    fill(right_memory, right, task.use == Use::input_gradient ? n : k, task.use == Use::input_gradient ? k : n);
    fill(result_memory, result, m, n);
  }

  void by_lamina() {
    const Operand<T> a =
        task.use == Use::weight_gradient ? Operand<T>{left.data(), 1, m} : Operand<T>{left.data(), k, 1};
    const Operand<T> b =
        task.use == Use::input_gradient ? Operand<T>{right.data(), 1, k} : Operand<T>{right.data(), n, 1};
    lamina::kernels::multiply<T>({m, n, k, a, b, result.data(), n}, buffer);
  }
  void by_eigen() {
    switch (task.use) {
      case Use::forward:
        result.noalias() = left * right;
        break;
      case Use::weight_gradient:
        result.noalias() = left.transpose() * right;
        break;
      case Use::input_gradient:
        result.noalias() = left * right.transpose();
        break;
    }
  }

  Task task;
  Index m, n, k;
  Arena<T> left_memory, right_memory, result_memory;
  Map left{nullptr, 0, 0}, right{nullptr, 0, 0}, result{nullptr, 0, 0};
  PackBuffer<T> buffer;

 private:
  static void fill(Arena<T>& memory, Map& map, Index rows, Index columns) {
    memory = Arena<T>(rows * columns);
    new (&map) Map(memory.data(), rows, columns);  // Eigen's way to move a map
    map.setRandom();
  }
};

template <class T> bool same_answers(const Task& task) {
  Problem<T> problem(task);
  problem.by_lamina();
  const typename Problem<T>::Matrix ours = problem.result;
  problem.by_eigen();
  const double error = static_cast<double>((ours - problem.result).cwiseAbs().maxCoeff());
  return error <= static_cast<double>(std::numeric_limits<T>::epsilon()) * 4 * static_cast<double>(problem.k);
}

template <class T> void time_product(benchmark::State& state, const Task& task, void (Problem<T>::*by)()) {
  Problem<T> problem(task);
  const double best = peak<T>();
  (problem.*by)();
  for (auto _ : state) {
    (problem.*by)();
    benchmark::ClobberMemory();
  }
  const double operations = 2.0 * static_cast<double>(problem.m) * static_cast<double>(problem.n) *
                            static_cast<double>(problem.k) * static_cast<double>(state.iterations());
  state.counters["GFLOP/s"] = benchmark::Counter(operations * 1e-9, benchmark::Counter::kIsRate);
  state.counters["%peak"] = benchmark::Counter(100 * operations / best, benchmark::Counter::kIsRate);
}

template <class T> bool add(const char* type) {
  for (const Task& task : tasks) {
    const char* use = task.use == Use::forward ? "X W" : task.use == Use::weight_gradient ? "XT dZ" : "dZ WT";
    const std::string name = std::string(type) + "/" + task.name + " x" + std::to_string(task.batch) + "/" + use;
    if (!same_answers<T>(task)) {
      std::fprintf(stderr, "%s: the answers differ\n", name.c_str());
      return false;
    }
    for (const bool ours : {true, false}) {
      const auto by = ours ? &Problem<T>::by_lamina : &Problem<T>::by_eigen;
      benchmark::RegisterBenchmark((name + (ours ? "/lamina" : "/Eigen")).c_str(), &time_product<T>, task, by)
          ->ComputeStatistics("min", [](const auto& v) { return *std::min_element(v.begin(), v.end()); })
          ->ComputeStatistics("max", [](const auto& v) { return *std::max_element(v.begin(), v.end()); });
    }
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  std::printf("peak of one core: %.1f GFLOP/s float, %.1f GFLOP/s double\n", peak<float>() * 1e-9,
              peak<double>() * 1e-9);
  if (!add<float>("float") || !add<double>("double")) return 1;
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
