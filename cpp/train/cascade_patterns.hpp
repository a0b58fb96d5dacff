/// Values of all patterns as rows, and the kernels that cascade-correlation spends its time in: z = w X, and X d. Rows
/// are padded with zeros to whole groups of 16 patterns, so there are no remainders, and sums have 16 lanes at any
/// width.
#pragma once

#include <algorithm>

#include "core/arena.hpp"
#include "kernels/reduce.hpp"

namespace lamina::cascade {

inline constexpr Index group = 16;
/// Patterns in a block: sums of a block are in T, blocks add up in double.
inline constexpr Index block = 2048;

inline Index padded(Index patterns) { return (patterns + group - 1) / group * group; }

/// Row i as a vector.
template <class T> Vector<T> row(const Matrix<T>& m, Index i) { return {m.row_data(i), m.cols()}; }
/// A vector as a matrix of one row.
template <class T> Matrix<T> as_row(const Vector<T>& v) { return {const_cast<T*>(v.data()), 1, v.size()}; }

/// Memory for rows of values, one a pattern.
template <class T> class PatternRows {
 public:
  PatternRows(Index rows, Index patterns) : width_(padded(patterns)), memory_(rows * width_) {}
  /// The first rows, padding included.
  Matrix<T> top(Index rows) { return {memory_.data(), rows, width_}; }
  Matrix<const T> top(Index rows) const { return {memory_.data(), rows, width_}; }
  /// Memory for at least so many rows; the first ones stay what they are, but not where.
  void make_room(Index rows) {
    const Index size = memory_.size();
    if (rows * width_ <= size) return;
    Arena<T> larger(std::max(rows * width_, size + size / 2));
    larger.vector().at({0, size}) = memory_.vector();
    memory_ = std::move(larger);
  }

 private:
  Index width_;
  Arena<T> memory_;
};

/// The rows that every unit reads: ones for the bias, then a row for each column of x.
template <class T> void load_sources(const Matrix<const T>& x, const Matrix<T>& sources) {
  const Range patterns{0, x.rows()};
  sources.at({{0, 1}, patterns}).setOnes();
  sources.at({{1, 1 + x.cols()}, patterns}) = x.transpose();
}

/// How often each pattern counts, where `weights` is empty once, and 0 times in the padding: then no sum sees it.
template <class T> void load_weights(const Vector<const T>& weights, Index patterns, Vector<T> to) {
  if (weights.empty()) to.at({0, patterns}).setOnes();
  else to.at({0, patterns}) = weights;
}

/// The sum of `weights`, in double.
template <class T> double total_of(const Vector<const T>& weights) {
  double total = 0;
  for (const T w : weights) total += static_cast<double>(w);
  return total;
}

/// body(patterns) for every block of `width` patterns.
template <class F> void for_blocks(Index width, F&& body) {
  for (Index p = 0; p < width; p += block) body(Range{p, std::min(p + block, width)});
}

template <int V, class T> LAMINA_INLINE void weighted_sum_of(const T* x, Index stride, const T* w, Index count, T* z) {
  constexpr int N = simd::lanes<T>;
  simd::Vec<T, N> sum[V];
  for (auto& s : sum) s = simd::Vec<T, N>(T(0));
  for (Index i = 0; i < count; ++i, x += stride) {
    const simd::Vec<T, N> wi(w[i]);
    for (int v = 0; v < V; ++v) sum[v] = fma(wi, simd::Vec<T, N>::load(x + v * N), sum[v]);
  }
  for (int v = 0; v < V; ++v) sum[v].store(z + v * N);
}

/// z = w X: one chain of fma a pattern.
template <class T> LAMINA_INLINE void weighted_sum(const Vector<const T>& w, const Matrix<const T>& x, Vector<T> z) {
  eigen_assert(w.size() == x.rows() && z.size() == x.cols() && z.size() % group == 0);
  constexpr int V = static_cast<int>(group) / simd::lanes<T>;
  const Index m = x.cols(), stride = x.outerStride();
  Index p = 0;
  for (; p + 4 * group <= m && V <= 2; p += 4 * group)
    weighted_sum_of<4 * V>(x.data() + p, stride, w.data(), w.size(), z.data() + p);
  for (; p < m; p += group) weighted_sum_of<V>(x.data() + p, stride, w.data(), w.size(), z.data() + p);
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
LAMINA_INLINE void add_products_of(const T* x, Index stride, const T* d, Index m, double* out) {
  constexpr int N = simd::lanes<T>, V = static_cast<int>(group) / N;
  using Lanes = simd::Vec<T, N>;
  Lanes sum[C][V];
  for (auto& s : sum) {
    for (auto& v : s) v = Lanes(T(0));
  }
  for (Index p = 0; p < m; p += group) {
    for (int v = 0; v < V; ++v) {
      const Lanes dv = Lanes::load(d + p + v * N);
      for (int c = 0; c < C; ++c) sum[c][v] = fma(dv, Lanes::load(x + c * stride + p + v * N), sum[c][v]);
    }
  }
  for (int c = 0; c < C; ++c) out[c] += static_cast<double>(sum_group(sum[c]));
}

/// out += X d, for at most a block of patterns.
template <class T>
LAMINA_INLINE void add_products(const Matrix<const T>& x, const Vector<const T>& d, Vector<double> out) {
  eigen_assert(x.rows() == out.size() && x.cols() == d.size() && d.size() % group == 0);
  const Index stride = x.outerStride(), m = d.size();
  Index i = 0;
  for (; i + 4 <= x.rows(); i += 4) add_products_of<4>(x.row_data(i), stride, d.data(), m, out.data() + i);
  for (; i + 2 <= x.rows(); i += 2) add_products_of<2>(x.row_data(i), stride, d.data(), m, out.data() + i);
  if (i < x.rows()) add_products_of<1>(x.row_data(i), stride, d.data(), m, out.data() + i);
}

/// The sum of c (v - mean)^2 over at most a block of patterns that count c times each.
template <class T> double squares_about(T mean, const Vector<const T>& v, const Vector<const T>& counts) {
  constexpr int N = simd::lanes<T>, V = static_cast<int>(group) / N;
  using Lanes = simd::Vec<T, N>;
  Lanes sum[V];
  for (auto& s : sum) s = Lanes(T(0));
  for (Index p = 0; p < v.size(); p += group) {
    for (int k = 0; k < V; ++k) {
      const Index at = p + k * N;
      const Lanes d = Lanes::load(v.data() + at) - Lanes(mean);
      sum[k] = fma(Lanes::load(counts.data() + at) * d, d, sum[k]);
    }
  }
  return static_cast<double>(sum_group(sum));
}

/// How far outputs are from their targets.
struct Misfit {
  double squares = 0;
  double wrong = 0;  ///< how many targets are missed by more than the tolerance
};

/// What says how far is too far, and of which outputs.
struct Target {
  double tolerance;
  bool logistic;
};

/// The misfit of at most a block of outputs y of patterns that count c times each; y <- c times what the outputs'
/// weights descend along, y - t, or for logistic outputs (y - t)(y (1 - y) + 0.1): the 0.1 keeps an output that is
/// wrong and saturated moving.
template <class T>
Misfit misfit(const Vector<const T>& t, const Vector<const T>& counts, const Target& target, Vector<T> y) {
  constexpr int N = simd::lanes<T>, V = static_cast<int>(group) / N;
  using Lanes = simd::Vec<T, N>;
  const Lanes tolerance(static_cast<T>(target.tolerance));
  Lanes squares[V], wrong[V];
  for (int k = 0; k < V; ++k) squares[k] = wrong[k] = Lanes(T(0));
  for (Index p = 0; p < y.size(); p += group) {
    for (int k = 0; k < V; ++k) {
      const Index at = p + k * N;
      const Lanes f = Lanes::load(y.data() + at), e = f - Lanes::load(t.data() + at);
      const Lanes c = Lanes::load(counts.data() + at), ce = c * e;
      squares[k] = fma(ce, e, squares[k]);
      wrong[k] += select(simd::abs(e) <= tolerance, Lanes(T(0)), c);
      (target.logistic ? ce * fma(f, Lanes(T(1)) - f, Lanes(static_cast<T>(0.1))) : ce).store(y.data() + at);
    }
  }
  return {static_cast<double>(sum_group(squares)), static_cast<double>(sum_group(wrong))};
}

}  // namespace lamina::cascade
