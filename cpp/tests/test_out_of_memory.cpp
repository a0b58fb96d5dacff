/// Fits and predictions in which one allocation fails, the first, the second and so on until none is left to fail, on
/// whatever thread it comes: std::bad_alloc reaches the caller, the network is as usable as before, and a second try
/// succeeds.
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
    s.x = {x.data(), rows, inputs};
    s.y.values = y.data();
    s.first = first;
    s.count = count;
    return s;
  }
  std::vector<float> x = std::vector<float>(rows * inputs), y = std::vector<float>(rows * outputs);
};

/// Runs `work` with allocation number 0, 1, 2, ... failing; `check` after each failure. Gives how many there were.
long fail_each(const std::string& what, const std::function<void()>& work, const std::function<bool()>& check) {
  for (long number = 0;; ++number) {
    failed = false;
    bool thrown = false;
    left = number;
    try {
      work();
    } catch (const std::bad_alloc&) {
      thrown = true;
    }
    left = -1;
    if (!failed) return number;
    if (thrown && check()) continue;
    std::printf("FAILED: %s, allocation %ld: %s\n", what.c_str(), number, thrown ? "left in disorder" : "no bad_alloc");
    ++failures;
  }
}

void check(const Case& c) {
  const Data data;
  const lamina::Samples<float> train = data.samples(0, 72), held_out = data.samples(72, 24);
  const lamina::Network<float> fresh(c.architecture);
  const auto fit = [&](lamina::Network<float>& network) {
    lamina::OptimizerMemory<float> memory;
    lamina::History history;
    lamina::fit<float>(network, train, held_out, c.options, memory, history);
  };
  lamina::Network<float> expected = fresh, network = fresh;
  fit(expected);
  const auto start_again = [&] {
    const auto& p = network.parameters();
    const bool finite = std::all_of(p.begin(), p.end(), [](float v) { return std::isfinite(v); });
    network = fresh;
    return finite;
  };
  const long of_fit = fail_each(c.name + ", fit", [&] { fit(network); }, start_again);
  const auto& found = network.parameters();
  if (std::memcmp(found.data(), expected.parameters().data(), static_cast<std::size_t>(found.size()) * 4) != 0) {
    std::printf("FAILED: %s: the fit after the failures has other bits\n", c.name.c_str());
    ++failures;
  }
  std::vector<float> predictions(rows * outputs);
  const auto predict = [&] { lamina::infer<float>(network, data.samples(0, rows), true, predictions.data(), threads); };
  const long of_infer = fail_each(c.name + ", infer", predict, [] { return true; });
  std::printf("%s: %ld allocations in a fit, %ld in a prediction\n", c.name.c_str(), of_fit, of_infer);
}

template <class L, class = void> constexpr bool has_units = false;
template <class L> constexpr bool has_units<L, std::void_t<decltype(L::units)>> = true;

Case with_layer(const lamina::LayerSpec& layer, const std::string& name) {
  Case c;
  c.name = name;
  lamina::layer::Dense last;
  last.units = outputs;
  c.architecture.layers = {layer, last};
  c.architecture.n_inputs = inputs;
  c.architecture.loss = lamina::loss::SquaredError{};
  c.options.epochs = 2;
  c.options.batch_size = 24;
  c.options.threads = threads;
  return c;
}

std::vector<Case> cases() {
  std::vector<Case> all;
  lamina::for_each_type<lamina::LayerSpec>([&](auto layer) {
    if constexpr (has_units<decltype(layer)>) layer.units = 70;
    all.push_back(with_layer(layer, std::string("layer ") + layer.name));
  });
  lamina::layer::Dense dense;
  dense.units = 70;
  Case clipped = with_layer(dense, "clipping and SAM");
  clipped.options.clipping = lamina::clipping::ClipNorm{};
  clipped.options.sam_rho = 0.05;
  all.push_back(clipped);
  lamina::for_each_type<lamina::FullBatchSolver>([&](const auto& solver) {
    dense.units = 6;
    Case c = with_layer(dense, std::string("solver ") + solver.name);
    c.options.solver = solver;
    all.push_back(c);
  });
  return all;
}

}  // namespace

int main() {
  for (const Case& c : cases()) check(c);
  if (!failed_elsewhere) {
    std::printf("FAILED: no allocation failed on another thread: nothing was tested there\n");
    ++failures;
  }
  return failures == 0 ? 0 : 1;
}
