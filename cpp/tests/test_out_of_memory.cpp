/// Fits, predictions and gradients in which one allocation fails, the first, the second and so on until none is left to
/// fail, on whatever thread it comes: std::bad_alloc reaches the caller, the network is that of the last good epoch,
/// and the next try has the bits that it would have had anyway.
#include <algorithm>
#include <atomic>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <new>
#include <random>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "train/trainer.hpp"

namespace {

/// Allocations still to succeed before one fails; negative: all succeed.
std::atomic<long> left{-1};
std::atomic<bool> failed{false}, failed_elsewhere{false};
const std::thread::id main_thread = std::this_thread::get_id();

void* allocate(std::size_t size, std::size_t alignment) {
  if (left.load() >= 0 && left.fetch_sub(1) == 0) {
    failed = true;
    if (std::this_thread::get_id() != main_thread) failed_elsewhere = true;
    throw std::bad_alloc();
  }
  void* const p = std::aligned_alloc(alignment, std::max(alignment, (size + alignment - 1) / alignment * alignment));
  if (!p) throw std::bad_alloc();
  return p;
}

}  // namespace

void* operator new(std::size_t size) { return allocate(size, alignof(std::max_align_t)); }
void* operator new(std::size_t size, std::align_val_t a) { return allocate(size, static_cast<std::size_t>(a)); }
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, std::size_t) noexcept { std::free(p); }
void operator delete(void* p, std::align_val_t) noexcept { std::free(p); }
void operator delete(void* p, std::size_t, std::align_val_t) noexcept { std::free(p); }

namespace {

using lamina::Index;

int failures = 0;

constexpr Index inputs = 5, outputs = 3, rows = 96, threads = 3;
constexpr Index many_rows = 9600;  // so many that a prediction is worth several threads

struct Case {
  std::string name;
  lamina::Architecture architecture;
  lamina::FitOptions options;
};

struct Data {
  Data() {
    std::mt19937 generator(1);
    for (float& v : x) v = static_cast<float>(generator() % 2001) / 500 - 2;
    for (float& v : y) v = static_cast<float>(generator() % 2);
  }
  lamina::Samples<float> samples(Index first, Index count) const {
    lamina::Samples<float> s;
    s.x = lamina::Matrix<const float>(x.data(), many_rows, inputs);
    s.y.values = lamina::Matrix<const float>(y.data(), rows, outputs);
    s.first = first;
    s.count = count;
    return s;
  }
  std::vector<float> x = std::vector<float>(many_rows * inputs), y = std::vector<float>(rows * outputs);
};

void fail(const std::string& what, const char* how) {
  std::printf("FAILED: %s: %s\n", what.c_str(), how);
  ++failures;
}

/// Runs `work` with allocation number 0, 1, 2, ... failing; `check` after each failure, and once in the end, when none
/// has failed. Some must have failed on another thread.
void fail_each(const std::string& what, const std::function<void()>& work, const std::function<bool()>& check) {
  long number = 0;
  failed_elsewhere = false;
  for (failed = true; failed; ++number) {
    failed = false;
    bool thrown = false;
    left = number;
    try {
      work();
    } catch (const std::bad_alloc&) {
      thrown = true;
    }
    left = -1;
    if (failed && !thrown) fail(what, "no bad_alloc came out");
    if (!check()) fail(what, failed ? "left in disorder by a failure" : "other results after the failures");
  }
  if (!failed_elsewhere) fail(what, "nothing failed on another thread");
  std::printf("%s: %ld allocations\n", what.c_str(), number - 1);
}

/// Everything a fit changes in a network.
std::vector<float> content(const lamina::Network<float>& network) {
  std::vector<float> all(network.parameters().begin(), network.parameters().end());
  all.insert(all.end(), network.state().begin(), network.state().end());
  return all;
}

void check_fit(const Case& c, const Data& data) {
  const lamina::Samples<float> train = data.samples(0, 72), held_out = data.samples(72, 24);
  const lamina::Network<float> fresh(c.architecture);
  lamina::OptimizerMemory<float> memory;
  const auto fit = [&](lamina::Network<float>& network, Index epochs) {
    lamina::FitOptions options = c.options;
    options.epochs = epochs;
    lamina::History history;
    lamina::fit<float>(network, train, held_out, options, memory, history);
  };
  std::vector<std::vector<float>> after;  // no epoch, the first, the second
  for (Index epochs = 0; epochs <= c.options.epochs; ++epochs) {
    lamina::Network<float> network = fresh;
    if (epochs > 0) fit(network, epochs);
    after.push_back(content(network));
  }
  lamina::Network<float> network = fresh;
  bool ended = false;
  const auto work = [&] {
    ended = false;
    network = fresh;
    fit(network, c.options.epochs);
    ended = true;
  };
  const auto check = [&] {
    const std::vector<float> now = content(network);
    if (ended) return now == after.back();
    // Half a step must not be gone on with: there are slots for every parameter, or none.
    const bool sound = memory.optimizer.has_value() == !memory.slots.empty();
    return sound && std::find(after.begin(), after.end(), now) != after.end();
  };
  fail_each(c.name + ", fit", work, check);
}

void check_infer(const Case& c, const Data& data) {
  const lamina::Network<float> network(c.architecture);
  const lamina::Samples<float> samples = data.samples(0, many_rows);
  std::vector<float> expected(many_rows * outputs), found = expected;
  lamina::InferOptions as_predictions;
  as_predictions.link = true;
  lamina::infer<float>(network, samples, as_predictions, {expected.data(), many_rows, outputs}, threads);
  bool ended = false;
  const auto work = [&] {
    ended = false;
    lamina::infer<float>(network, samples, as_predictions, {found.data(), many_rows, outputs}, threads);
    ended = true;
  };
  fail_each(c.name + ", infer", work, [&] { return !ended || found == expected; });
}

void check_gradients(const Case& c, const Data& data) {
  const lamina::Network<float> network(c.architecture);
  std::vector<float> expected(static_cast<std::size_t>(network.parameters().size())), found = expected;
  bool ended = false;
  const auto gradients = [&](std::vector<float>& to) {
    ended = false;
    lamina::Samples<float> samples = data.samples(0, many_rows);
    const std::vector<float> y(many_rows * outputs, 0.5F);
    samples.y.values = lamina::Matrix<const float>(y.data(), many_rows, outputs);
    lamina::GradientOptions options;
    options.surrogates = false;
    options.threads = threads;
    lamina::loss_and_gradients<float>(network, samples, options, {to.data(), static_cast<Index>(to.size())}, {});
    ended = true;
  };
  gradients(expected);
  fail_each(c.name + ", gradients", [&] { gradients(found); }, [&] { return !ended || found == expected; });
}

template <class L, class = void> constexpr bool has_units = false;
template <class L> constexpr bool has_units<L, std::void_t<decltype(L::units)>> = true;

lamina::layer::Dense dense(Index units) {
  lamina::layer::Dense d;
  d.units = units;
  return d;
}

Case with_layers(const std::string& name, std::vector<lamina::LayerSpec> hidden) {
  Case c;
  c.name = name;
  c.architecture.layers = std::move(hidden);
  c.architecture.layers.emplace_back(dense(outputs));
  c.architecture.n_inputs = inputs;
  c.architecture.loss = lamina::loss::SquaredError{};
  c.options.epochs = 2;
  c.options.batch_size = 24;
  c.options.threads = threads;
  return c;
}

/// Layers so wide that the products pack their operands, each thread in memory of its own.
std::vector<Case> wide_cases() {
  std::vector<Case> all;
  lamina::for_each_type<lamina::LayerSpec>([&](auto layer) {
    if constexpr (has_units<decltype(layer)>) layer.units = 70;
    const std::string name = std::string("layer ") + layer.name;
    if constexpr (std::is_same_v<decltype(layer), lamina::layer::SharedDense>) {
      lamina::layer::SharedDense last = layer;  // what goes on with the members keeps them apart
      last.kind = "separate";
      last.units = outputs;
      all.push_back(with_layers(name, {layer}));
      all.back().architecture.layers.back() = last;
      return;
    }
    if constexpr (std::is_same_v<decltype(layer), lamina::layer::Embedding>) {
      layer.columns = {0, 2};
      layer.categories = {3, 2};
    }
    all.push_back(with_layers(name, {layer, dense(80), dense(80)}));
  });
  all.push_back(with_layers("clipping and SAM", {dense(80), dense(80)}));
  all.back().options.clipping = lamina::clipping::ClipNorm{};
  all.back().options.sam_rho = 0.05;
  return all;
}

std::vector<Case> solver_cases() {
  std::vector<Case> all;
  lamina::for_each_type<lamina::FullBatchSolver>([&](const auto& solver) {
    all.push_back(with_layers(std::string("solver ") + solver.name, {dense(6)}));
    all.back().options.solver = solver;
  });
  return all;
}

}  // namespace

int main() {
  const Data data;
  for (const Case& c : wide_cases()) {
    check_fit(c, data);
    check_infer(c, data);
    check_gradients(c, data);
  }
  for (const Case& c : solver_cases()) check_fit(c, data);
  return failures == 0 ? 0 : 1;
}
