/// Sums whose order never depends on the vector width or the number of threads. Of whole vectors: blocks of fixed size,
/// 16 running sums in each, added up one after another in double. Of columns: down the rows, one chain a column, or
/// many of them where there are many rows.
#pragma once

#include <algorithm>

#include "core/types.hpp"
#include "kernels/product.hpp"
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

/// Maps, and blocks of them whose elements are next to each other.
template <class V> const typename V::Scalar* contiguous(const Eigen::DenseBase<V>& v) {
  eigen_assert(v.derived().innerStride() == 1 && (v.rows() <= 1 || v.derived().outerStride() == v.cols()));
  return v.derived().data();
}

/// The sum of x_i^2.
template <class V> double sum_of_squares(const Eigen::DenseBase<V>& x) {
  return ordered_sum(contiguous(x), x.size(), [](auto v) { return v * v; });
}
/// The sum of |x_i|.
template <class V> double sum_of_magnitudes(const Eigen::DenseBase<V>& x) {
  return ordered_sum(contiguous(x), x.size(), [](auto v) { return simd::abs(v); });
}

/// The position of the first NaN or infinity of n elements; -1 if there is none.
template <class T> Index first_nonfinite(const T* x, Index n);
template <class V> Index first_nonfinite(const Eigen::DenseBase<V>& x) {
  return first_nonfinite(contiguous(x), x.size());
}

extern template Index first_nonfinite<float>(const float*, Index);
extern template Index first_nonfinite<double>(const double*, Index);

/// The sum of x[i] y[i] over n elements, 16 running sums in double.
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
/// x'y.
template <class X, class Y> double dot(const Eigen::DenseBase<X>& x, const Eigen::DenseBase<Y>& y) {
  eigen_assert(x.size() == y.size());
  return dot(contiguous(x), contiguous(y), x.size());
}

namespace detail {

/// Whole vectors without a mask: a masked load is the slower one.
template <class T> LAMINA_INLINE simd::Vec<T> load(const T* p, Index count) {
  return count == simd::lanes<T> ? simd::Vec<T>::load(p) : simd::Vec<T>::load_partial(p, count);
}

}  // namespace detail

/// A sum over at most this many rows is one chain. A longer one would lose the terms beside the sum (of a million equal
/// floats, a percent), so it is cut into blocks of rows, whose sums are added with what rounding has lost of them
/// before.
inline constexpr Index chain_rows = 1024, block_rows = 256;

/// sum += block, whose error is kept in `lost` for the next time: Knuth's exact addition.
template <class V> LAMINA_INLINE void add_block(V block, V& sum, V& lost) {
  const V more = block + lost, total = sum + more, of_more = total - sum;
  lost = (sum - (total - of_more)) + (more - of_more);
  sum = total;
}

/// The same for n elements.
template <class T> void add_blocks(const T* block, T* sum, T* lost, Index n) {
  constexpr Index N = simd::lanes<T>;
  using V = simd::Vec<T, N>;
  for (Index i = 0; i < n; i += N) {
    const Index count = std::min(N, n - i);
    V s = detail::load(sum + i, count), l = detail::load(lost + i, count);
    add_block(detail::load(block + i, count), s, l);
    s.store_partial(sum + i, count);
    l.store_partial(lost + i, count);
  }
}

namespace detail {

/// Where the sums of columns go. `lost`, where it is not null, goes with them from one call to the next.
template <class T> struct ColumnSums {
  T *out, *lost;
  Store store;
};

/// add(sum, i, at, count): `sum` with the terms of row i added, for the `count` columns from column `at` on. Several
/// vectors of columns at once: each is a chain of its own, so that the additions need not wait for each other.
template <int Vectors, class T, class Add> class SumDown {
  static constexpr int N = simd::lanes<T>;
  using V = simd::Vec<T, N>;

 public:
  LAMINA_INLINE SumDown(Index column, Index last_lanes, const Add& add)
      : column_(column), last_lanes_(last_lanes), add_(add) {}

  LAMINA_INLINE void run(Index rows, const ColumnSums<T>& to) const {
    if (to.store == Store::add || rows > chain_rows) return in_blocks(rows, to);
    V sum[Vectors];
    chain(0, rows, sum);
    store(sum, to.out);
    if (to.lost) store(V(T(0)), to.lost);
  }

 private:
  LAMINA_INLINE Index lanes(int v) const { return v + 1 < Vectors ? Index{N} : last_lanes_; }
  LAMINA_INLINE void chain(Index first, Index end, V (&sum)[Vectors]) const {
    for (int v = 0; v < Vectors; ++v) sum[v] = V(T(0));
    for (Index i = first; i < end; ++i) {
      for (int v = 0; v < Vectors; ++v) sum[v] = add_(sum[v], i, column_ + v * N, lanes(v));
    }
  }
  void in_blocks(Index rows, const ColumnSums<T>& to) const {
    V total[Vectors], lost[Vectors];
    for (int v = 0; v < Vectors; ++v) {
      const bool adds = to.store == Store::add;
      total[v] = adds ? V::load_partial(to.out + column_ + v * N, lanes(v)) : V(T(0));
      lost[v] = adds && to.lost ? V::load_partial(to.lost + column_ + v * N, lanes(v)) : V(T(0));
    }
    for (Index first = 0; first < rows; first += block_rows) {
      V sum[Vectors];
      chain(first, std::min(rows, first + block_rows), sum);
      for (int v = 0; v < Vectors; ++v) add_block(sum[v], total[v], lost[v]);
    }
    store(total, to.out);
    if (to.lost) store(lost, to.lost);
  }
  LAMINA_INLINE void store(const V (&values)[Vectors], T* out) const {
    for (int v = 0; v < Vectors; ++v) values[v].store_partial(out + column_ + v * N, lanes(v));
  }
  LAMINA_INLINE void store(V value, T* out) const {
    for (int v = 0; v < Vectors; ++v) value.store_partial(out + column_ + v * N, lanes(v));
  }

  const Index column_, last_lanes_;
  const Add& add_;
};

template <class T, class Add> void sum_down_all(Index rows, Index columns, const ColumnSums<T>& to, const Add& add) {
  constexpr Index N = simd::lanes<T>, wide = 8 * N;
  Index j = 0;
  for (; j + wide <= columns; j += wide) SumDown<8, T, Add>(j, N, add).run(rows, to);
  for (; j < columns; j += 2 * N) {
    const Index left = columns - j;
    if (left > N) SumDown<2, T, Add>(j, std::min(N, left - N), add).run(rows, to);
    else SumDown<1, T, Add>(j, left, add).run(rows, to);
  }
}

template <class T> T* writable(const Vector<T>& v) { return v.empty() ? nullptr : const_cast<T*>(v.data()); }

/// T, but not to deduce it from: a `Matrix<T>` is then taken for a `Matrix<const T>`.
template <class T> struct Same {
  using Type = T;
};
template <class T> using Readable = const typename Same<T>::Type;

}  // namespace detail

/// out_j = (or +=) sum_i x_ij. What rounding loses of long sums goes into `lost` where it is not empty, and with
/// Store::add also comes from there: of the call before.
template <class T>
void column_sums(const Matrix<detail::Readable<T>>& x, const Vector<T>& out, Store store = Store::set,
                 const Vector<T>& lost = {}) {
  eigen_assert(x.cols() == out.size() && (lost.empty() || lost.size() == out.size()));
  const T* const data = x.data();
  const Index stride = x.outerStride();
  detail::sum_down_all<T>(x.rows(), x.cols(), {detail::writable(out), detail::writable(lost), store},
                          [=](simd::Vec<T> sum, Index i, Index j, Index count) {
                            return sum + detail::load(data + i * stride + j, count);
                          });
}

/// out_j = (or +=) sum_i x_ij y_ij, each product fused into its addition; `lost` as above.
template <class T>
void column_products(const Matrix<detail::Readable<T>>& x, const Matrix<detail::Readable<T>>& y, const Vector<T>& out,
                     Store store = Store::set, const Vector<T>& lost = {}) {
  eigen_assert(x.rows() == y.rows() && x.cols() == y.cols() && x.cols() == out.size());
  eigen_assert(lost.empty() || lost.size() == out.size());
  const T *const a = x.data(), *const b = y.data();
  const Index a_stride = x.outerStride(), b_stride = y.outerStride();
  detail::sum_down_all<T>(x.rows(), x.cols(), {detail::writable(out), detail::writable(lost), store},
                          [=](simd::Vec<T> sum, Index i, Index j, Index count) {
                            return fma(detail::load(a + i * a_stride + j, count),
                                       detail::load(b + i * b_stride + j, count), sum);
                          });
}

/// out_j = sum_i w_i x_ij, each product fused into its addition.
template <class T>
void weighted_column_sums(const Matrix<detail::Readable<T>>& x, const Vector<detail::Readable<T>>& w,
                          const Vector<T>& out) {
  eigen_assert(x.cols() == out.size() && x.rows() == w.size());
  const T *const data = x.data(), *const weight = w.data();
  const Index stride = x.outerStride();
  detail::sum_down_all<T>(x.rows(), x.cols(), {detail::writable(out), nullptr, Store::set},
                          [=](simd::Vec<T> sum, Index i, Index j, Index count) {
                            return fma(simd::Vec<T>(weight[i]), detail::load(data + i * stride + j, count), sum);
                          });
}

/// out_j = sum_i (x_ij - mean_j)^2, each square fused into its addition.
template <class T>
void column_squares(const Matrix<detail::Readable<T>>& x, const Vector<detail::Readable<T>>& mean,
                    const Vector<T>& out) {
  eigen_assert(x.cols() == mean.size() && x.cols() == out.size());
  const T *const data = x.data(), *const centre = mean.data();
  const Index stride = x.outerStride();
  detail::sum_down_all<T>(x.rows(), x.cols(), {detail::writable(out), nullptr, Store::set},
                          [=](simd::Vec<T> sum, Index i, Index j, Index count) {
                            const auto e = detail::load(data + i * stride + j, count) - detail::load(centre + j, count);
                            return fma(e, e, sum);
                          });
}

/// out_j = sum_i w_i (x_ij - mean_j)^2.
template <class T>
void weighted_column_squares(const Matrix<detail::Readable<T>>& x, const Vector<detail::Readable<T>>& mean,
                             const Vector<detail::Readable<T>>& w, const Vector<T>& out) {
  eigen_assert(x.cols() == mean.size() && x.cols() == out.size() && x.rows() == w.size());
  const T *const data = x.data(), *const centre = mean.data(), *const weight = w.data();
  const Index stride = x.outerStride();
  detail::sum_down_all<T>(x.rows(), x.cols(), {detail::writable(out), nullptr, Store::set},
                          [=](simd::Vec<T> sum, Index i, Index j, Index count) {
                            const auto e = detail::load(data + i * stride + j, count) - detail::load(centre + j, count);
                            return fma(simd::Vec<T>(weight[i]) * e, e, sum);
                          });
}

}  // namespace lamina::kernels
