/// The innermost part of the matrix product: a tile of C, a few rows by a few vectors, kept in registers over all of k.
#pragma once

#include <array>
#include <utility>

#include "core/index.hpp"
#include "kernels/simd.hpp"

namespace lamina::kernels {

/// Vector registers of the target.
#if defined(__AVX512F__) || defined(__aarch64__)
inline constexpr int registers = 32;
#else
inline constexpr int registers = 16;
#endif

/// Vectors per row of a packed panel of B.
inline constexpr int panel_vectors = 3;
/// Rows and vectors that any micro-kernel has at most.
inline constexpr int most_rows = 8, most_vectors = 8;

/// Rows of the tallest tile that is `vectors` wide: its accumulators, a row of B and one element of A fill the
/// registers (without fma the products need room too).
constexpr int tile_rows(int vectors) {
  if (registers == 32) return vectors <= 3 ? 8 : vectors == 4 ? 3 : vectors <= 6 ? 2 : 1;
  const int spare = simd::has_fma ? 1 : 2;
  const int fit = (registers - spare - vectors) / vectors;
  return vectors > 6 ? 1 : fit > most_rows ? most_rows : fit;
}

/// Vectors of the widest tile that is `rows` high: low tiles are wide, to keep enough independent sums in flight.
constexpr int tile_vectors(Index rows) {
  int widest = 1;
  for (int v = 1; v <= most_vectors; ++v) {
    if (rows <= tile_rows(v)) widest = v;
  }
  return widest;
}

/// Memory that later tiles will read: `lines`, each of which one tile brings into the second-level cache on its way.
struct Ahead {
  const char* data = nullptr;
  Index lines = 0, between = 0;  ///< how many, and bytes from one to the next
  Index step = 0;                ///< bytes along a line from one k to the next
};

/// What the tiles of one column have in common.
struct Tile {
  Index k;  ///< at least 1
  Index a_row_stride, a_col_stride;
  Index b_stride;  ///< from one row of B (or of its panel) to the next
  Index c_stride;
  Index last_lanes;  ///< columns in the last vector
  bool accumulate;
  Ahead ahead;
};

/// `tiles` tiles below each other, from number `first` of their column on: C (Rows x Vectors vectors each) = or += A B
/// with B's rows contiguous, A's tiles `a_step` elements apart. `Masked` reads only `last_lanes` of the last vector of
/// B, for B that is not packed.
template <class T, int Rows, int Vectors, bool Masked>
void micro_kernel(const Tile& tile, const T* a, Index a_step, const T* b, T* c, Index first, Index tiles) {
  using V = simd::Vec<T>;
  constexpr int last = Vectors - 1;
  const Index lanes = tile.last_lanes, c_stride = tile.c_stride;
  // Strides in bytes: with strides in elements GCC compiles the loop twice, once for a stride of one.
  const Index a_row = tile.a_row_stride * static_cast<Index>(sizeof(T));
  const Index a_col = tile.a_col_stride * static_cast<Index>(sizeof(T));
  const Index b_stride = tile.b_stride * static_cast<Index>(sizeof(T));
  for (Index t = first; t < first + tiles; ++t, a += a_step, c += Rows * c_stride) {
    V sum[Rows][Vectors];
#pragma GCC unroll 8
    for (int r = 0; r < Rows; ++r) {
      __builtin_prefetch(c + r * c_stride, 1);
      if constexpr (Vectors * sizeof(V) > 64) __builtin_prefetch(c + r * c_stride + (Vectors * V::size - V::size), 1);
#pragma GCC unroll 8
      for (int v = 0; v < Vectors; ++v) sum[r][v] = V(typename V::Raw{});
    }
    if (tile.accumulate) {
#pragma GCC unroll 8
      for (int r = 0; r < Rows; ++r) {
        const T* row = c + r * c_stride;
#pragma GCC unroll 8
        for (int v = 0; v < last; ++v) sum[r][v] = V::load(row + v * V::size);
        sum[r][last] = V::load_partial(row + last * V::size, lanes);
      }
    }
    const auto* a_at = reinterpret_cast<const char*>(a);
    const auto* b_at = reinterpret_cast<const char*>(b);
    // A tile that has no line to bring asks for what it reads anyway: dearer than nothing, cheaper than a branch.
    const bool fetches = t < tile.ahead.lines;
    const char* ahead = fetches ? tile.ahead.data + t * tile.ahead.between : a_at;
    const Index ahead_step = fetches ? tile.ahead.step : 0;
    Index k = tile.k;
    do {
      const auto* b_row = reinterpret_cast<const T*>(b_at);
      __builtin_prefetch(ahead, 0, 2);
      ahead += ahead_step;
      V x[Vectors];
#pragma GCC unroll 8
      for (int v = 0; v < last; ++v) x[v] = V::load(b_row + v * V::size);
      x[last] = Masked ? V::load_partial(b_row + last * V::size, lanes) : V::load(b_row + last * V::size);
#pragma GCC unroll 8
      for (int r = 0; r < Rows; ++r) {
        const V w(*reinterpret_cast<const T*>(a_at + r * a_row) - typename V::Raw{});
#pragma GCC unroll 8
        for (int v = 0; v < Vectors; ++v) sum[r][v] = simd::fma(w, x[v], sum[r][v]);
      }
      a_at += a_col;
      b_at += b_stride;
    } while (--k > 0);
#pragma GCC unroll 8
    for (int r = 0; r < Rows; ++r) {
      T* row = c + r * c_stride;
#pragma GCC unroll 8
      for (int v = 0; v < last; ++v) sum[r][v].store(row + v * V::size);
      if (lanes == V::size) sum[r][last].store(row + last * V::size);
      else sum[r][last].store_partial(row + last * V::size, lanes);
    }
  }
}

template <class T> using MicroKernel = void (*)(const Tile&, const T*, Index, const T*, T*, Index, Index);

template <class T, bool Masked, int Place> constexpr MicroKernel<T> micro_kernel_at() {
  constexpr int rows = Place / most_vectors + 1, vectors = Place % most_vectors + 1;
  if constexpr (rows <= tile_rows(vectors)) return &micro_kernel<T, rows, vectors, Masked>;
  else return nullptr;
}

template <class T, bool Masked, int... Places>
constexpr auto micro_kernel_table(std::integer_sequence<int, Places...>) {
  return std::array<MicroKernel<T>, sizeof...(Places)>{micro_kernel_at<T, Masked, Places>()...};
}

template <class T, bool Masked>
inline constexpr auto micro_kernels =
    micro_kernel_table<T, Masked>(std::make_integer_sequence<int, most_rows * most_vectors>{});

/// The micro-kernel for tiles of `rows` <= tile_rows(vectors).
template <class T> MicroKernel<T> find_micro_kernel(Index rows, Index vectors, bool masked) {
  const auto place = static_cast<std::size_t>((rows - 1) * most_vectors + vectors - 1);
  return masked ? micro_kernels<T, true>[place] : micro_kernels<T, false>[place];
}

}  // namespace lamina::kernels
