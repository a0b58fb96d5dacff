/// Whole training steps (forward, loss, backward, Adam), one thread: the tasks of `benchmarks/run.py` without Python.
#include <benchmark/benchmark.h>

#include <random>
#include <string>
#include <vector>

#include "kernels/machine.hpp"
#include "train/trainer.hpp"

namespace {

using lamina::Index;

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

void time_epoch(benchmark::State& state, const Task& task) {
  lamina::Architecture architecture;
  architecture.n_inputs = task.widths.front();
  architecture.loss = lamina::loss::CrossEntropy{};
  double operations = 0;
  for (std::size_t i = 1; i < task.widths.size(); ++i) {
    lamina::layer::Dense dense;
    dense.units = task.widths[i];
    if (i + 1 < task.widths.size()) dense.activation = lamina::activation::Relu{};
    architecture.layers.emplace_back(dense);
    operations += static_cast<double>((i == 1 ? 4 : 6) * task.batch * task.widths[i - 1] * task.widths[i]);
  }
  lamina::Network<float> network(architecture);
  const Index rows = task.batch * task.batches;
  std::mt19937 generator(1);
  std::normal_distribution<float> draw;
  std::vector<float> x(static_cast<std::size_t>(rows * network.inputs()));
  std::vector<std::int32_t> labels(static_cast<std::size_t>(rows));
  for (float& v : x) v = draw(generator);
  for (std::int32_t& v : labels) v = static_cast<std::int32_t>(generator() % static_cast<unsigned>(network.outputs()));
  lamina::Samples<float> samples;
  samples.x = {x.data(), rows, network.inputs()};
  samples.y.labels = labels.data();
  samples.count = rows;
  lamina::FitOptions options;
  options.epochs = 1;
  options.batch_size = task.batch;
  options.shuffle = false;
  options.resume = true;
  options.threads = 1;
  lamina::OptimizerMemory<float> memory;
  lamina::History history;
  for (auto _ : state) lamina::fit<float>(network, samples, {}, options, memory, history);
  const double steps = static_cast<double>(state.iterations()) * static_cast<double>(task.batches);
  state.counters["step"] = benchmark::Counter(steps, benchmark::Counter::kIsRate | benchmark::Counter::kInvert);
  static const double peak = lamina::kernels::measure_peak(0.2) * 1e9;
  state.counters["%peak"] = benchmark::Counter(100 * operations * steps / peak, benchmark::Counter::kIsRate);
}

}  // namespace

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  for (const Task& task : tasks()) benchmark::RegisterBenchmark(task.name, &time_epoch, task);
  benchmark::RunSpecifiedBenchmarks();
  return 0;
}
