#include "kernels/machine.hpp"

#include <chrono>

#include "kernels/simd.hpp"

namespace lamina::kernels {

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

Level level() {
#if !defined(__x86_64__)
  const char* const name = "native";
#elif defined(__AVX512F__)
  const char* const name = "v4";
#elif defined(__AVX2__)
  const char* const name = "v3";
#else
  const char* const name = "v2";
#endif
  return {name, simd::vector_bytes, simd::has_fma};
}

}  // namespace lamina::kernels
