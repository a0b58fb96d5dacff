/// Sums whose order never depends on the vector width or the number of threads: blocks of fixed size, 16 running sums
/// in each, added up one after another in double.
#pragma once

#include <algorithm>

#include "core/types.hpp"
#include "kernels/simd.hpp"

namespace lamina::kernels {

inline constexpr Index reduce_block = 4096;

/// The sum of f(x[i]) over n elements. f takes and gives a simd::Vec and maps 0 to 0.
template <class T, class F> double ordered_sum(const T* x, Index n, F&& f) {
  constexpr int N = simd::lanes<T>;
  constexpr int groups = 16 / N;
  using V = simd::Vec<T, N>;
  double total = 0;
  for (Index begin = 0; begin < n; begin += reduce_block) {
    const Index end = std::min(n, begin + reduce_block);
    V sums[groups];
    for (V& s : sums) s = V(T(0));
    Index i = begin;
    for (; i + 16 <= end; i += 16) {
      for (int g = 0; g < groups; ++g) sums[g] += f(V::load(x + i + g * N));
    }
    for (int g = 0; g < groups && i < end; ++g, i += N) {
      const Index count = std::min<Index>(N, end - i);
      sums[g] += f(V::load_partial(x + i, count));
    }
    double block = 0;
    for (int g = 0; g < groups; ++g) {
      for (int lane = 0; lane < N; ++lane) block += static_cast<double>(sums[g][lane]);
    }
    total += block;
  }
  return total;
}

template <class T> double sum_of_squares(const T* x, Index n) {
  return ordered_sum(x, n, [](auto v) { return v * v; });
}
template <class T> double sum_of_magnitudes(const T* x, Index n) {
  return ordered_sum(x, n, [](auto v) { return simd::abs(v); });
}

/// The position of the first NaN or infinity; -1 if there is none.
template <class T> Index first_nonfinite(const T* x, Index n);

extern template Index first_nonfinite<float>(const float*, Index);
extern template Index first_nonfinite<double>(const double*, Index);

/// The sum of x[i] y[i], 16 running sums in double.
template <class T> double dot(const T* x, const T* y, Index n) {
  double sums[16] = {};
  Index i = 0;
  for (; i + 16 <= n; i += 16) {
    for (int lane = 0; lane < 16; ++lane)
      sums[lane] += static_cast<double>(x[i + lane]) * static_cast<double>(y[i + lane]);
  }
  for (int lane = 0; i < n; ++lane, ++i) sums[lane] += static_cast<double>(x[i]) * static_cast<double>(y[i]);
  double total = 0;
  for (const double s : sums) total += s;
  return total;
}

}  // namespace lamina::kernels
