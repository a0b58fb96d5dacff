#include "kernels/strided_product.hpp"

#include <algorithm>
#include <cstdint>

#include "kernels/micro_kernel.hpp"
#include "kernels/product_pack.hpp"

namespace lamina::kernels {

namespace {

constexpr Index line_bytes = 64;

/// Bytes of a panel of B: most of a 32 KiB first-level cache, so that it stays while the rows of A pass by.
constexpr Index panel_bytes = 24 * 1024;
/// Bytes of a block of A: half of a 512 KiB second-level cache, beside the panels of B and C.
constexpr Index block_bytes = 256 * 1024;
/// Operands of at most this size are used where they are: they stay in the first-level cache beside C.
constexpr Index near_bytes = 16 * 1024;
/// Rows of C up to which a larger B is used where it is, and the rows of B that are then read at a time.
constexpr Index rows_in_place = 8, streamed_depth = 32;
/// Columns of C from which packing the rows of A pays.
constexpr Index packed_rows_columns = 512;
/// Panels of B kept packed at once when C has several blocks of rows: a few MiB of the last-level cache.
constexpr Index kept_panels = 128;
/// Panels of C that share one call of the epilogue.
constexpr Index epilogue_panels = 4;

template <class T> constexpr Index size_of = sizeof(T);
template <class T> constexpr Index lanes = simd::Vec<T>::size;
template <class T> constexpr Index block_depth = panel_bytes / (panel_vectors * lanes<T> * size_of<T>);
template <class T> constexpr Index block_rows = block_bytes / (block_depth<T> * size_of<T>);

/// A part of B, with contiguous rows or columns, that will be packed next.
template <class T> Ahead ahead_of(Operand<T> b, Index columns) {
  const auto* data = reinterpret_cast<const char*>(b.data);
  if (b.row_stride == 1) return {data, columns, b.col_stride * size_of<T>, size_of<T>};
  const Index from_line = static_cast<Index>(reinterpret_cast<std::uintptr_t>(data) % line_bytes);
  const Index lines = (from_line + columns * size_of<T> + line_bytes - 1) / line_bytes;
  return {data, lines, line_bytes, b.row_stride * size_of<T>};
}

/// The lines that `tiles` tiles of depth `k` are too few for.
inline void fetch_from(Index tiles, Index k, const Ahead& ahead) {
  const Index stride = std::max(ahead.step, line_bytes);
  for (Index i = tiles; i < ahead.lines; ++i) {
    for (Index at = 0; at < k * ahead.step; at += stride) {
      __builtin_prefetch(ahead.data + i * ahead.between + at, 0, 2);
    }
  }
}

/// One column of tiles, `vectors` wide and as high as `split` has them; so is A when it is packed.
template <class T>
void multiply_panel(Tile& tile, const Split& split, Operand<T> a, bool packed_a, const T* b, Index vectors, bool masked,
                    T* c) {
  fetch_from(split.parts, tile.k, tile.ahead);
  const Index row_step = packed_a ? tile.k : a.row_stride;
  const auto run = [&](Index first, Index tiles, Index rows) {
    if (tiles == 0) return;
    const Index row = split.start(first);
    if (packed_a) tile.a_col_stride = rows;
    find_micro_kernel<T>(rows, vectors, masked)(tile, a.data + row * row_step, rows * row_step, b,
                                                c + row * tile.c_stride, first, tiles);
  };
  run(0, split.larger, split.size + 1);
  run(split.larger, split.parts - split.larger, split.size);
}

/// The product with both operands where they are. A long B is read a few rows at a time, as it lies in memory.
template <class T> void multiply_in_place(const StridedProduct<T>& p) {
  const Index low = std::min<Index>(p.m, tile_rows(panel_vectors));
  const Split panels((p.n + lanes<T> - 1) / lanes<T>, tile_vectors(low));
  const bool whole = panels.parts == 1 || p.k * p.n * size_of<T> <= near_bytes;
  const Index step = whole ? p.k : streamed_depth;
  for (Index k0 = 0; k0 < p.k; k0 += step) {
    Tile tile{std::min(step, p.k - k0),
              p.a.row_stride,
              p.a.col_stride,
              p.b.row_stride,
              p.c_stride,
              lanes<T>,
              p.accumulate || k0 > 0,
              {}};
    const Operand<T> a_part = p.a.from(0, k0), b_part = p.b.from(k0, 0);
    for (Index panel = 0; panel < panels.parts; ++panel) {
      const Index vectors = panels.length(panel), col = panels.start(panel) * lanes<T>;
      tile.last_lanes = std::min(lanes<T>, p.n - col - (vectors - 1) * lanes<T>);
      multiply_panel(tile, Split(p.m, tile_rows(static_cast<int>(vectors))), a_part, false, b_part.data + col, vectors,
                     tile.last_lanes < lanes<T>, p.c + col);
    }
  }
}

/// How B comes to the blocked product: packed by the caller, packed on the way, or as it is.
enum class Packing { before, here, none };

/// The product in blocks that fit the caches: panels of B in the first level, blocks of A in the second.
template <class T> class Blocked {
 public:
  Blocked(const StridedProduct<T>& p, bool pack_a_, Packing packing_, Epilogue epilogue_)
      : m(p.m),
        n(p.n),
        k(p.k),
        ldc(p.c_stride),
        a(p.a),
        b(p.b),
        c(p.c),
        pack_a(pack_a_),
        accumulate(p.accumulate),
        packing(packing_),
        epilogue(epilogue_),
        vectors((n + lanes<T> - 1) / lanes<T>),
        panels(vectors, panel_vectors),
        groups(panels.parts, kept_panels),
        depths(k, block_depth<T>),
        blocks(m, block_rows<T>) {}

  void run(PackBuffer<T>& buffer) {
    const Index deepest = depths.length(0), kept = blocks.parts > 1 ? groups.length(0) : 1;
    const Index room_a = pack_a ? (blocks.length(0) * deepest + 15) / 16 * 16 : 0;
    const Index room_b = packing == Packing::here ? kept * panel_vectors * lanes<T> * deepest : 0;
    packed_a = buffer.reserve(room_a + room_b);
    packed_b = packed_a + room_a;
    for (Index group = 0; group < groups.parts; ++group) {
      for (Index d = 0; d < depths.parts; ++d) {
        for (Index block = 0; block < blocks.parts; ++block) multiply_block(group, d, block);
      }
    }
  }

 private:
  Index column(Index panel) const { return panels.start(panel) * lanes<T>; }
  Index columns(Index panel) const { return std::min(panels.length(panel) * lanes<T>, n - column(panel)); }

  /// A block of A's rows and depth times a group of panels of B.
  void multiply_block(Index group, Index d, Index block) {
    const Index first = groups.start(group), end = first + groups.length(group);
    const Index k0 = depths.start(d), depth = depths.length(d);
    const Index row = blocks.start(block), rows = blocks.length(block);
    const Split tiles(rows, tile_rows(panel_vectors));
    Operand<T> a_block = a.from(row, k0);
    if (pack_a) {
      pack_tiles(packed_a, tiles, a_block, depth);
      a_block = {packed_a, 1, 0};
    }
    Tile tile{depth, a_block.row_stride, a_block.col_stride, 0, ldc, lanes<T>, accumulate || d > 0, {}};
    const bool finished = epilogue && d + 1 == depths.parts;
    Index ready = column(first);
    for (Index p = first; p < end; ++p) {
      const Index wide = panels.length(p), col = column(p), last = col + columns(p);
      tile.last_lanes = last - col - (wide - 1) * lanes<T>;
      tile.b_stride = packing == Packing::none ? b.row_stride : wide * lanes<T>;
      const Split shape = pack_a ? tiles : Split(rows, tile_rows(static_cast<int>(wide)));
      const bool masked = packing == Packing::none && tile.last_lanes < lanes<T>;
      tile.ahead = packing == Packing::here && block == 0 ? after(p, first, end, d) : Ahead{};
      multiply_panel(tile, shape, a_block, pack_a, panel_of_b(p, first, d, block), wide, masked, c + row * ldc + col);
      if (finished && (p + 1 == end || (p + 1 - first) % epilogue_panels == 0)) {
        epilogue(Block{{row, row + rows}, {ready, last}});
        ready = last;
      }
    }
  }

  /// Panel p of B, packed now if it has to be: for a single block of rows every panel takes the place of the one
  /// before, in the first-level cache.
  const T* panel_of_b(Index p, Index first, Index d, Index block) {
    const Index k0 = depths.start(d), depth = depths.length(d), col = column(p);
    if (packing == Packing::none) return b.from(k0, col).data;
    if (packing == Packing::before) return b.data + k0 * vectors * lanes<T> + depth * col;
    T* const to = blocks.parts > 1 ? packed_b + depth * (col - column(first)) : packed_b;
    if (block == 0) pack_panel(to, panels.length(p) * lanes<T>, b.from(k0, col), depth, columns(p));
    return to;
  }

  Ahead after(Index p, Index first, Index end, Index d) const {
    if (p + 1 < end) return ahead_of(b.from(depths.start(d), column(p + 1)), columns(p + 1));
    if (d + 1 == depths.parts) return {};
    return ahead_of(b.from(depths.start(d + 1), column(first)), columns(first));
  }

  const Index m, n, k, ldc;
  const Operand<T> a, b;
  T* const c;
  const bool pack_a, accumulate;
  const Packing packing;
  const Epilogue epilogue;
  const Index vectors;
  const Split panels, groups, depths, blocks;
  T *packed_a = nullptr, *packed_b = nullptr;
};

template <class T> Block whole_of(const StridedProduct<T>& p) { return {{0, p.m}, {0, p.n}}; }

/// The sum of nothing: C is zero, or what it was.
template <class T> void finish_empty(const StridedProduct<T>& p, Epilogue epilogue) {
  for (Index i = 0; i < p.m && !p.accumulate; ++i) std::fill_n(p.c + i * p.c_stride, p.n, T(0));
  if (epilogue) epilogue(whole_of(p));
}

/// Whether Cᵀ = Bᵀ Aᵀ is better: C is too narrow to fill its vectors, and A's columns, contiguous, make better rows.
template <class T> bool transposing_pays(const StridedProduct<T>& p) {
  constexpr Index least = 64;  // elements of A, for each column of C, that pay for the way there and back
  if (p.a.row_stride != 1 || p.n >= 2 * lanes<T> || p.n % lanes<T> == 0 || p.m <= p.n) return false;
  return p.n == 1 || (p.m > lanes<T> && p.m * p.k >= least * p.n);
}

template <class T> void multiply_transposed(const StridedProduct<T>& p, PackBuffer<T>& buffer) {
  const bool in_place = p.n == 1 && p.c_stride == 1;  // a column is its own transpose
  T* const c = in_place ? p.c : buffer.reserve_transposed(p.m * p.n);
  if (p.accumulate && !in_place) copy_transposed(c, p.m, p.c, p.c_stride, p.m, p.n);
  const Operand<T> b_transposed{p.b.data, p.b.col_stride, p.b.row_stride}, a_transposed{p.a.data, p.a.col_stride, 1};
  multiply<T>({p.n, p.m, p.k, b_transposed, a_transposed, c, p.m, p.accumulate}, buffer);
  if (!in_place) copy_transposed(p.c, p.c_stride, c, p.m, p.n, p.m);
}

/// Whether to copy A, which every panel of C reads again: strided reads share cache sets and fill no lines.
template <class T> bool packing_a_pays(const StridedProduct<T>& p) {
  if (p.m * p.k * size_of<T> <= near_bytes) return false;
  return p.a.row_stride == 1 || (p.a.col_stride == 1 && p.n >= packed_rows_columns);
}

}  // namespace

template <class T> T* PackBuffer<T>::Growing::reserve(Index count) {
  if (count > capacity || !data) {
    data.reset();
    capacity = 0;
    data = allocate<T>(count);
    capacity = count;
  }
  return data.get();
}

template <class T> void PackedB<T>::pack(Index n, Index k, Operand<T> b) {
  const Index vectors = (n + lanes<T> - 1) / lanes<T>;
  T* to = buffer_.reserve(std::max<Index>(0, k * vectors * lanes<T>));
  data_ = to;
  n_ = n;
  k_ = k;
  if (n <= 0 || k <= 0) return;
  const Split depths(k, block_depth<T>), panels(vectors, panel_vectors);
  for (Index d = 0; d < depths.parts; ++d) {
    for (Index p = 0; p < panels.parts; ++p) {
      const Index width = panels.length(p) * lanes<T>, col = panels.start(p) * lanes<T>;
      pack_panel(to, width, b.from(depths.start(d), col), depths.length(d), std::min(width, n - col));
      to += depths.length(d) * width;
    }
  }
}

template <class T> void multiply(const StridedProduct<T>& p, PackBuffer<T>& buffer, Epilogue epilogue) {
  if (p.m <= 0 || p.n <= 0) return;
  if (p.k <= 0) return finish_empty(p, epilogue);
  if (transposing_pays(p)) {
    multiply_transposed(p, buffer);
    if (epilogue) epilogue(whole_of(p));
    return;
  }
  const bool pack_a = packing_a_pays(p);
  const bool near_b = p.n * p.k * size_of<T> <= near_bytes;
  const bool pack_b = p.b.col_stride != 1 || (p.m > rows_in_place && !near_b);
  if (pack_a || (pack_b && !near_b)) {
    Blocked<T>(p, pack_a, pack_b ? Packing::here : Packing::none, epilogue).run(buffer);
    return;
  }
  if (pack_b) {  // so little of it that it is packed whole, to get rows that can be read
    const Index width = (p.n + lanes<T> - 1) / lanes<T> * lanes<T>;
    T* const packed = buffer.reserve(p.k * width);
    pack_panel(packed, width, p.b, p.k, p.n);
    StridedProduct<T> readable = p;
    readable.b = {packed, width, 1};
    multiply_in_place(readable);
  } else {
    multiply_in_place(p);
  }
  if (epilogue) epilogue(whole_of(p));
}

template <class T>
void multiply(const StridedProduct<T>& product, const PackedB<T>& b, PackBuffer<T>& buffer, Epilogue epilogue) {
  StridedProduct<T> p = product;
  p.n = b.columns();
  p.k = b.depth();
  p.b = {b.data(), 0, 1};
  if (p.m <= 0 || p.n <= 0) return;
  if (p.k <= 0) return finish_empty(p, epilogue);
  Blocked<T>(p, packing_a_pays(p), Packing::before, epilogue).run(buffer);
}

#define LAMINA_INSTANTIATE(T)                                                 \
  template class PackBuffer<T>;                                               \
  template class PackedB<T>;                                                  \
  template void multiply(const StridedProduct<T>&, PackBuffer<T>&, Epilogue); \
  template void multiply(const StridedProduct<T>&, const PackedB<T>&, PackBuffer<T>&, Epilogue);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)
#undef LAMINA_INSTANTIATE

}  // namespace lamina::kernels
