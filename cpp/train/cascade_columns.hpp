/// Activations of all patterns, kept as columns: the two kernels that cascade-correlation spends its time in. Columns
/// are padded with zeros to whole groups of 16 patterns, so there are no remainders, and sums have 16 lanes at any
/// width.
#pragma once

#include <algorithm>

#include "core/arena.hpp"
#include "kernels/simd.hpp"

namespace lamina::cascade {

inline constexpr Index group = 16;
/// Patterns in a block: sums of a block are in T, blocks add up in double.
inline constexpr Index block = 2048;

inline Index padded(Index rows) { return (rows + group - 1) / group * group; }

/// `rows` patterns by up to `capacity` columns.
template <class T> struct Columns {
  Columns(Index patterns, Index capacity) : rows(patterns), stride(padded(patterns)), data(stride * capacity) {}
  T* column(Index i) { return data.data() + i * stride; }
  const T* column(Index i) const { return data.data() + i * stride; }

  Index rows, stride;
  Arena<T> data;
};

/// A column of ones for the bias, then the columns of x.
template <class T> void load_columns(Rows<T> x, Columns<T>& to) {
  std::fill_n(to.column(0), x.rows, T(1));
  for (Index p = 0; p < x.rows; ++p) {
    for (Index i = 0; i < x.columns; ++i) to.column(i + 1)[p] = x.row(p)[i];
  }
}

template <int V, class T>
LAMINA_INLINE void weighted_sum_of(const T* columns, Index stride, const T* w, Index count, T* z) {
  constexpr int N = simd::lanes<T>;
  simd::Vec<T, N> sum[V];
  for (auto& s : sum) s = simd::Vec<T, N>(T(0));
  for (Index i = 0; i < count; ++i, columns += stride) {
    const simd::Vec<T, N> wi(w[i]);
    for (int v = 0; v < V; ++v) sum[v] = fma(wi, simd::Vec<T, N>::load(columns + v * N), sum[v]);
  }
  for (int v = 0; v < V; ++v) sum[v].store(z + v * N);
}

/// z[p] = sum_i w[i] columns[i][p] over `count` columns, for m patterns (whole groups): one chain of fma a pattern.
template <class T> void weighted_sum(const T* columns, Index stride, const T* w, Index count, T* z, Index m) {
  constexpr int V = static_cast<int>(group) / simd::lanes<T>;
  Index p = 0;
  for (; p + 4 * group <= m && V <= 2; p += 4 * group) weighted_sum_of<4 * V>(columns + p, stride, w, count, z + p);
  for (; p < m; p += group) weighted_sum_of<V>(columns + p, stride, w, count, z + p);
}

/// The sum of 16 lanes by halves, the same tree at any vector width.
template <class T, int V> LAMINA_INLINE T sum_group(simd::Vec<T, simd::lanes<T>> (&sum)[V]) {
  constexpr Index N = simd::lanes<T>;
  for (int half = V / 2; half > 0; half /= 2) {
    for (int v = 0; v < half; ++v) sum[v] += sum[v + half];
  }
  T s[N];
  sum[0].store(s);
  for (Index half = N / 2; half > 0; half /= 2) {
    for (Index j = 0; j < half; ++j) s[j] += s[j + half];
  }
  return s[0];
}

template <int C, class T>
LAMINA_INLINE void products_of(const T* columns, Index stride, const T* d, Index m, double* out) {
  constexpr int N = simd::lanes<T>, V = static_cast<int>(group) / N;
  using Lanes = simd::Vec<T, N>;
  Lanes sum[C][V];
  for (auto& s : sum) {
    for (auto& v : s) v = Lanes(T(0));
  }
  for (Index p = 0; p < m; p += group) {
    for (int v = 0; v < V; ++v) {
      const Lanes dv = Lanes::load(d + p + v * N);
      for (int c = 0; c < C; ++c) sum[c][v] = fma(dv, Lanes::load(columns + c * stride + p + v * N), sum[c][v]);
    }
  }
  for (int c = 0; c < C; ++c) out[c] += static_cast<double>(sum_group(sum[c]));
}

/// out[i] += sum_p d[p] columns[i][p] over m patterns (whole groups, at most a block).
template <class T> void products(const T* columns, Index stride, Index count, const T* d, Index m, double* out) {
  Index i = 0;
  for (; i + 4 <= count; i += 4) products_of<4>(columns + i * stride, stride, d, m, out + i);
  for (; i < count; ++i) products_of<1>(columns + i * stride, stride, d, m, out + i);
}

/// sum_p mask[p] (v[p] - mean)^2 over m patterns (whole groups, at most a block).
template <class T> double squares_from(T mean, const T* mask, const T* v, Index m) {
  constexpr int N = simd::lanes<T>, V = static_cast<int>(group) / N;
  using Lanes = simd::Vec<T, N>;
  Lanes sum[V];
  for (auto& s : sum) s = Lanes(T(0));
  for (Index p = 0; p < m; p += group) {
    for (int k = 0; k < V; ++k) {
      const Lanes e = Lanes::load(mask + p + k * N) * (Lanes::load(v + p + k * N) - Lanes(mean));
      sum[k] = fma(e, e, sum[k]);
    }
  }
  return static_cast<double>(sum_group(sum));
}

/// d <- scale d - pull (v - mean) over m patterns (whole groups): the slope of a quotient by the deviation of v.
template <class T> void divide_by_deviation(const T* v, T mean, T scale, T pull, T* d, Index m) {
  using V = simd::Vec<T>;
  for (Index p = 0; p < m; p += V::size) {
    const V e = V::load(v + p) - V(mean);
    (V(scale) * V::load(d + p) - V(pull) * e).store(d + p);
  }
}

/// body(first, m) for every block of `stride` patterns.
template <class F> void for_blocks(Index stride, F&& body) {
  for (Index p = 0; p < stride; p += block) body(p, std::min(block, stride - p));
}

}  // namespace lamina::cascade
