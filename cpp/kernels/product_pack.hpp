/// Copies of operands in the order in which the micro-kernels read them.
#pragma once

#include <algorithm>
#include <cstring>
#include <utility>

#include "kernels/micro_kernel.hpp"
#include "kernels/product.hpp"

namespace lamina::kernels {

/// `count` things in the fewest parts of at most `most` each, as equal as can be: the first `larger` have one more.
struct Split {
  Split(Index count, Index most)
      : parts((count + most - 1) / most), size(count / parts), larger(count - parts * size) {}
  Index length(Index part) const { return size + (part < larger ? 1 : 0); }
  Index start(Index part) const { return part * size + (part < larger ? part : larger); }

  Index parts, size, larger;
};

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

/// to[k * width + i] = from[i * stride + k] for i < rows <= N, k < depth; zero in the lanes from `rows` up to `kept`.
template <int N, class T>
void pack_transposed(T* to, Index width, const T* from, Index stride, Index rows, Index kept, Index depth) {
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

/// to[k * width + j] = b(k, j) for k < depth, j < columns, and zero up to `width`, a whole number of vectors.
template <class T> void pack_panel(T* to, Index width, Operand<T> b, Index depth, Index columns) {
  using V = simd::Vec<T>;
  if (b.row_stride == 1) {
    for (Index j = 0; j < width; j += V::size) {
      const Index rows = columns - j < V::size ? columns - j : V::size;
      pack_transposed<V::size>(to + j, width, b.data + j * b.col_stride, b.col_stride, rows, V::size, depth);
    }
    return;
  }
  const Index last = width - V::size;
  for (Index k = 0; k < depth; ++k, to += width) {
    const T* row = b.data + k * b.row_stride;
    if (b.col_stride == 1) {
      for (Index j = 0; j < last; j += V::size) V::load(row + j).store(to + j);
      V::load_partial(row + last, columns - last).store(to + last);
    } else {
      for (Index j = 0; j < width; ++j) to[j] = j < columns ? row[j * b.col_stride] : T(0);
    }
  }
}

/// A's rows in tiles as `split` has them: element (i, k) of a tile of h rows is at k * h + i of the tile, and tiles
/// follow each other. A's rows or its columns are contiguous.
template <class T> void pack_tiles(T* to, const Split& split, Operand<T> a, Index depth) {
  constexpr Index usual = tile_rows(panel_vectors);
  constexpr int group = simd::lanes<T> < 4 ? simd::lanes<T> : usual < 8 || simd::lanes<T> < 8 ? 4 : 8;
  if (a.col_stride == 1) {
    for (Index t = 0; t < split.parts; ++t) {
      const Index height = split.length(t), row = split.start(t);
      for (Index i = 0; i < height; i += group) {
        const Index rows = height - i < group ? height - i : group;
        pack_transposed<group>(to + row * depth + i, height, a.data + (row + i) * a.row_stride, a.row_stride, rows,
                               rows, depth);
      }
    }
    return;
  }
  // A few columns at a time fill whole cache lines of a tile before the next tile's, which may share their cache set.
  constexpr Index step = 8;
  for (Index k0 = 0; k0 < depth; k0 += step) {
    const Index end = k0 + step < depth ? k0 + step : depth;
    for (Index t = 0; t < split.parts; ++t) {
      const Index height = split.length(t), row = split.start(t);
      T* const tile = to + row * depth;
      for (Index k = k0; k < end; ++k) {
        const T* from = a.data + row + k * a.col_stride;
        if (height == usual) std::memcpy(tile + k * usual, from, usual * sizeof(T));
        else std::copy(from, from + height, tile + k * height);
      }
    }
  }
}

}  // namespace lamina::kernels
