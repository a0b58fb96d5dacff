/// Transposition in registers and in memory.
#pragma once

#include <utility>

#include "core/index.hpp"
#include "kernels/simd.hpp"

namespace lamina::kernels {

/// The lanes `Pick::lane(l)` of a (below N) and b (from N).
template <class Pick, class T, int N, int... Lanes>
LAMINA_INLINE simd::Vec<T, N> shuffle(simd::Vec<T, N> a, simd::Vec<T, N> b, std::integer_sequence<int, Lanes...>) {
#if defined(__clang__)
  return {__builtin_shufflevector(a.raw, b.raw, Pick::lane(Lanes)...)};
#else
  return {__builtin_shuffle(a.raw, b.raw, typename simd::Native<simd::Bits<T>, N>::Type{Pick::lane(Lanes)...})};
#endif
}

/// Interleaves the lower (or upper) halves of every 16-byte unit of two vectors.
template <int N, int Unit, bool Upper> struct Interleave {
  static constexpr int lane(int l) { return l / Unit * Unit + l % Unit / 2 + (Upper ? Unit / 2 : 0) + l % 2 * N; }
};
/// Swaps blocks of `Step` lanes between two vectors, as the transposition of a 2 x 2 matrix of blocks does.
template <int N, int Step, bool Upper> struct SwapBlocks {
  static constexpr int lane(int l) {
    const bool second = (l & Step) != 0;
    return Upper ? (second ? N + l : l + Step) : (second ? N + l - Step : l);
  }
};

template <int Step, class T, int N> LAMINA_INLINE void swap_blocks(simd::Vec<T, N> (&x)[N]) {
  if constexpr (Step < N) {
    constexpr std::make_integer_sequence<int, N> lanes;
#pragma GCC unroll 16
    for (int i = 0; i < N; ++i) {
      if ((i & Step) != 0) continue;
      const simd::Vec<T, N> a = x[i], b = x[i + Step];
      x[i] = shuffle<SwapBlocks<N, Step, false>>(a, b, lanes);
      x[i + Step] = shuffle<SwapBlocks<N, Step, true>>(a, b, lanes);
    }
    swap_blocks<2 * Step>(x);
  }
}

/// x[i][j] becomes x[j][i]: first within 16-byte units, where shuffles are cheap, then units as blocks.
template <class T, int N> LAMINA_INLINE void transpose(simd::Vec<T, N> (&x)[N]) {
  constexpr int unit = 16 / static_cast<int>(sizeof(T));
  constexpr std::make_integer_sequence<int, N> lanes;
#pragma GCC unroll 16
  for (int first = 0; first < N; first += unit) {
#pragma GCC unroll 2
    for (int stage = unit; stage > 1; stage /= 2) {
      simd::Vec<T, N> y[unit];
#pragma GCC unroll 2
      for (int i = 0; i < unit / 2; ++i) {
        const simd::Vec<T, N> a = x[first + i], b = x[first + i + unit / 2];
        y[2 * i] = shuffle<Interleave<N, unit, false>>(a, b, lanes);
        y[2 * i + 1] = shuffle<Interleave<N, unit, true>>(a, b, lanes);
      }
#pragma GCC unroll 4
      for (int i = 0; i < unit; ++i) x[first + i] = y[i];
    }
  }
  swap_blocks<unit>(x);
}

/// to[k * width + i] = from[i * stride + k] for i < rows <= N, k < depth; zero in the lanes from `rows` up to `kept` <=
/// N.
template <int N, class T>
LAMINA_INLINE void copy_transposed_rows(T* to, Index width, const T* from, Index stride, Index rows, Index kept,
                                        Index depth) {
  using V = simd::Vec<T, N>;
  for (Index k = 0; k < depth; k += N) {
    const Index wide = depth - k < N ? depth - k : N;
    V x[N];
#pragma GCC unroll 16
    for (int i = 0; i < N; ++i) {
      const T* row = from + i * stride + k;
      if (i >= rows) x[i] = V(typename V::Raw{});
      else if (wide == N) x[i] = V::load(row);
      else x[i] = V::load_partial(row, wide);
    }
    transpose(x);
#pragma GCC unroll 16
    for (int i = 0; i < N; ++i) {
      if (i >= wide) break;
      if (kept == N) x[i].store(to + (k + i) * width);
      else x[i].store_partial(to + (k + i) * width, kept);
    }
  }
}

/// to(j, i) = from(i, j) for i < rows, j < columns; the rows of both are contiguous, and `stride` elements apart.
template <class T>
LAMINA_INLINE void copy_transposed(T* to, Index to_stride, const T* from, Index from_stride, Index rows,
                                   Index columns) {
  constexpr Index N = simd::lanes<T>;
  for (Index i = 0; i < rows; i += N) {
    const Index height = rows - i < N ? rows - i : N;
    copy_transposed_rows<N>(to + i, to_stride, from + i * from_stride, from_stride, height, height, columns);
  }
}

}  // namespace lamina::kernels
