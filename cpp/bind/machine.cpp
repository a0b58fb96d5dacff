/// Threads and the machine's speed.
#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <chrono>

#include "core/random.hpp"
#include "kernels/simd.hpp"
#include "kernels/threads.hpp"

namespace lamina::bind {
namespace py = pybind11;
namespace {

/// Best rate of independent multiply-adds in registers, float32, one core, in GFLOP/s: the peak that products are held
/// against.
double measure_peak(double seconds) {
  using V = simd::Vec<float>;
  constexpr int chains = 12;
  constexpr int turns = 20000;
  using Clock = std::chrono::steady_clock;
  V sums[chains];
  for (V& s : sums) s = V(1.0f);
  const V a(0.999999f), b(1e-6f);
  double best = 0;
  const auto end = Clock::now() + std::chrono::duration<double>(seconds);
  do {
    const auto start = Clock::now();
    for (int i = 0; i < turns; ++i) {
      for (V& s : sums) s = fma(s, a, b);
    }
    const double took = std::chrono::duration<double>(Clock::now() - start).count();
    const double rate = 2.0 * chains * V::size * turns / took / 1e9;
    best = rate > best ? rate : best;
  } while (Clock::now() < end);
  float kept = 0;
  for (const V& s : sums) kept += sum_lanes(s);
  return kept > -1e30f ? best : 0;
}

}  // namespace

void bind_machine(py::module_& m) {
  m.def("measure_peak", &measure_peak, py::arg("seconds") = 0.2, py::call_guard<py::gil_scoped_release>(),
        "Peak of float32 multiply-adds on one core, GFLOP/s.");
  m.def("max_threads", &kernels::max_threads);
  m.def("set_max_threads", &kernels::set_max_threads, py::arg("n"));
  m.def(
      "permutation",
      [](std::uint64_t seed, Index n, std::uint32_t stream) {
        if (n < 0) throw py::value_error("n must be at least 0; got " + std::to_string(n));
        py::array_t<std::int64_t> order(n);
        std::int64_t* to = order.mutable_data();
        for (Index i = 0; i < n; ++i) to[i] = i;
        Random(seed, Purpose::split, stream).permute(to, n);
        return order;
      },
      py::arg("seed"), py::arg("n"), py::arg("stream") = 0, "0 .. n-1 in random order: a function of (seed, stream).");
  m.attr("vector_bytes") = simd::vector_bytes;
  m.attr("has_fma") = simd::has_fma;
}

}  // namespace lamina::bind
