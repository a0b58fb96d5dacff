/// Copies of operands in the order in which the micro-kernels read them.
#pragma once

#include <algorithm>
#include <cstring>

#include "kernels/micro_kernel.hpp"
#include "kernels/strided_product.hpp"
#include "kernels/transpose.hpp"

namespace lamina::kernels {

/// `count` things in the fewest parts of at most `most` each, as equal as can be: the first `larger` have one more.
struct Split {
  Split(Index count, Index most) : parts(1), size(count), larger(0) {
    if (count <= most) return;  // a division saved counts in the smallest products
    parts = (count + most - 1) / most;
    size = count / parts;
    larger = count - parts * size;
  }
  Index length(Index part) const { return size + (part < larger ? 1 : 0); }
  Index start(Index part) const { return part * size + (part < larger ? part : larger); }

  Index parts, size, larger;
};

/// Rows of `Vectors` whole vectors, from `stride` apart to next to each other.
template <int Vectors, class T> void pack_rows(T* to, const T* from, Index stride, Index depth) {
  using V = simd::Vec<T>;
  for (Index k = 0; k < depth; ++k, to += Vectors * V::size, from += stride) {
#pragma GCC unroll 8
    for (int v = 0; v < Vectors; ++v) V::load(from + v * V::size).store(to + v * V::size);
  }
}

/// to[k * width + j] = b(k, j) for k < depth, j < columns, and zero up to `width`, a whole number of vectors.
template <class T> void pack_panel(T* to, Index width, Operand<T> b, Index depth, Index columns) {
  using V = simd::Vec<T>;
  if (b.row_stride == 1) {
    for (Index j = 0; j < width; j += V::size) {
      const Index rows = columns - j < V::size ? columns - j : V::size;
      copy_transposed_rows<V::size>(to + j, width, b.data + j * b.col_stride, b.col_stride, rows, V::size, depth);
    }
    return;
  }
  if (b.col_stride == 1 && columns == panel_vectors * V::size)
    return pack_rows<panel_vectors>(to, b.data, b.row_stride, depth);
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
        copy_transposed_rows<group>(to + row * depth + i, height, a.data + (row + i) * a.row_stride, a.row_stride, rows,
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
