/// Rows of outputs for losses and links that look at a whole row: alone, or a row a lane.
#pragma once

#include "core/types.hpp"
#include "kernels/elementary.hpp"
#include "kernels/transpose.hpp"

namespace lamina {

/// e = exp(y - top), top the largest output, which keeps exp from overflowing; the sum is in the order of the outputs.
template <class T> struct ShiftedExp {
  T top, sum;
};
template <class T> ShiftedExp<T> exp_shifted(const T* y, T* e, Index n) {
  constexpr int N = simd::lanes<T>;
  using V = simd::Vec<T, N>;
  T top = y[0];
  for (Index j = 1; j < n; ++j) top = y[j] > top ? y[j] : top;
  Index j = 0;
  for (; j + N <= n; j += N) simd::exp(V::load(y + j) - V(top)).store(e + j);
  if (j < n) simd::exp(V::load_partial(y + j, n - j) - V(top)).store_partial(e + j, n - j);
  T sum = 0;
  for (j = 0; j < n; ++j) sum += e[j];
  return {top, sum};
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
  /// exp(y - top) in place; returns the sum in the order of the outputs.
  LAMINA_INLINE V exp_shifted(V top) {
    V sum(T(0));
    for (T* v = at; v < end; v += N) {
      const V e = simd::exp(V::load(v) - top);
      e.store(v);
      sum += e;
    }
    return sum;
  }
  LAMINA_INLINE void write(const Matrix<T>& to) const {
    kernels::copy_transposed(to.row_data(0), to.outerStride(), at, N, columns, rows);
  }

  T* const at;
  T* const end;
  const Index rows, columns;
};

}  // namespace lamina
