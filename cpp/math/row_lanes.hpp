/// Rows of outputs for losses and links that look at a whole row: alone, or a row a lane.
#pragma once

#include <algorithm>

#include "core/types.hpp"
#include "kernels/elementary.hpp"
#include "kernels/transpose.hpp"

namespace lamina {

namespace detail {

template <class Sum, class Term> LAMINA_INLINE Sum sum_in_order(Range outputs, Sum sum, const Term& term) {
  for (Index j = outputs.begin; j < outputs.end; ++j) sum += term(j);
  return sum;
}
template <class Sum, class Term> Sum sum_in_halves(Range outputs, Sum zero, const Term& term) {
  constexpr Index short_enough = 256;
  if (outputs.size() <= short_enough) return sum_in_order(outputs, zero, term);
  const Index middle = outputs.begin + outputs.size() / 2;
  Sum sum = sum_in_halves({outputs.begin, middle}, zero, term);
  sum += sum_in_halves({middle, outputs.end}, zero, term);
  return sum;
}

}  // namespace detail

/// The sum of term(j) over the outputs j < n of a row, in their order; of very many by halves, since in one long chain
/// the last terms would be small beside the sum.
template <class Sum, class Term> LAMINA_INLINE Sum sum_over_outputs(Index n, Sum zero, const Term& term) {
  constexpr Index many = 1024;
  return n <= many ? detail::sum_in_order({0, n}, zero, term) : detail::sum_in_halves({0, n}, zero, term);
}

/// Sums of a row's e = exp(y - top), top the largest output, which keeps exp from overflowing. `beyond_one` is sum - 1
/// without what is lost beside a 1: where one output is far above the others, the loss consists of nothing else.
template <class V> struct ExpSum {
  V sum = V(0), below = V(0), tops = V(0);

  LAMINA_INLINE static ExpSum of(V e) {
    const V one(1), zero(0);
    return {e, select(e < one, e, zero), select(e < one, zero, e)};
  }
  LAMINA_INLINE ExpSum& operator+=(const ExpSum& other) {
    sum += other.sum;
    below += other.below;
    tops += other.tops;
    return *this;
  }
  LAMINA_INLINE V beyond_one() const { return below + (tops - V(1)); }
  LAMINA_INLINE V logarithm() const { return simd::log1p(beyond_one()); }
};

/// Writes e = exp(y - top) of one row alone, and returns its top; e may be y.
template <class T> T exp_shifted(const T* y, T* e, Index n) {
  constexpr int N = simd::lanes<T>;
  using V = simd::Vec<T, N>;
  T top = y[0];
  for (Index j = 1; j < n; ++j) top = y[j] > top ? y[j] : top;
  Index j = 0;
  for (; j + N <= n; j += N) simd::exp(V::load(y + j) - V(top)).store(e + j);
  if (j < n) simd::exp(V::load_partial(y + j, n - j) - V(top)).store_partial(e + j, n - j);
  return top;
}

/// Up to a vector's number of rows with a row a lane, (columns, lanes) in `memory`: for few outputs, where a row would
/// not fill a vector. The same operations in the same order as for a row alone, so the same bits.
template <class T> struct RowLanes {
  static constexpr int N = simd::lanes<T>;
  using V = simd::Vec<T, N>;

  /// The elements of `memory` for rows of `columns` outputs.
  static constexpr Index room(Index columns) { return columns * N; }

  /// Reads the rows of y, at most N of them.
  LAMINA_INLINE RowLanes(const Matrix<const T>& y, T* memory)
      : at(memory), end(memory + room(y.cols())), rows(y.rows()), columns(y.cols()) {
    kernels::copy_transposed_rows<N>(at, N, y.data(), y.outerStride(), rows, N, columns);
  }
  LAMINA_INLINE V top() const {
    V top = V::load(at);
    for (const T* v = at; v < end; v += N) top = select(V::load(v) > top, V::load(v), top);
    return top;
  }
  /// exp(y - top) in place.
  LAMINA_INLINE ExpSum<V> exp_shifted(V top) {
    ExpSum<V> sums;
    for (T* v = at; v < end; v += N) {
      const V e = simd::exp(V::load(v) - top);
      e.store(v);
      sums += ExpSum<V>::of(e);
    }
    return sums;
  }
  LAMINA_INLINE void write(const Matrix<T>& to) const {
    kernels::copy_transposed(to.row_data(0), to.outerStride(), at, N, columns, rows);
  }

  T* const at;
  T* const end;
  const Index rows, columns;
};

}  // namespace lamina
