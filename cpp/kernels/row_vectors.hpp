/// A row of numbers as vectors: full ones, and one of what is left.
#pragma once

#include <type_traits>

#include "core/index.hpp"
#include "kernels/simd.hpp"

namespace lamina::simd {

/// body(j, count) for every vector of a row, count < N in the last one only.
template <int N, class Body> LAMINA_INLINE void for_row(Index columns, Body&& body) {
  Index j = 0;
  for (; j + N <= columns; j += N) body(j, std::integral_constant<Index, N>{});
  if (j < columns) body(j, columns - j);
}
template <class T, int N, class Count> LAMINA_INLINE Vec<T, N> load(const T* p, Count count) {
  if constexpr (std::is_same_v<Count, std::integral_constant<Index, N>>) return Vec<T, N>::load(p);
  else return Vec<T, N>::load_partial(p, count);
}
template <class T, int N, class Count> LAMINA_INLINE void store(Vec<T, N> v, T* p, Count count) {
  if constexpr (std::is_same_v<Count, std::integral_constant<Index, N>>) v.store(p);
  else v.store_partial(p, count);
}

}  // namespace lamina::simd
