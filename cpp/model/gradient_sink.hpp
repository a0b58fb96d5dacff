/// Where a layer's parameter gradients go: into the flat gradient, or straight into the optimizer's step.
#pragma once

#include <algorithm>
#include <functional>
#include <type_traits>

#include "kernels/product.hpp"
#include "kernels/reduce.hpp"
#include "model/parameter.hpp"

namespace lamina {

/// Takes a finished piece of the gradient: elements of one parameter, from `offset` of the arena on.
template <class T> using StepOn = std::function<void(Index offset, const Vector<const T>& gradient)>;

/// A thread's memory for gradients that are stepped on while they are in cache.
template <class T> struct PieceMemory {
  kernels::PackBuffer<T> piece;
  kernels::PackedB<T> delta;
};

/// One thread's share of the gradients of one layer. Stored, or added to what is stored, in the layer's slice of the
/// flat gradient; or, for the gradient of a whole batch at once, handed in pieces to the optimizer, so that it need not
/// be kept as a whole. Bits do not depend on which, nor on the number of threads, which share outputs and never sums.
/// Sums over many rows are sums of blocks (`kernels::chain_rows`), each piece with what rounding has lost of it beside.
template <class T> class GradientSink {
 public:
  using Store = kernels::Store;

  /// Stores in `gradient`, the layer's slice; and in `lost`, shaped like it, what rounding loses: empty where nothing
  /// will be added and no sum is long.
  GradientSink(const Vector<T>& gradient, const Vector<T>& lost, Store store, Index part, Index parts,
               kernels::PackBuffer<T>& buffer, PieceMemory<T>& memory)
      : gradient_(gradient), lost_(lost), store_(store), part_(part), parts_(parts), buffer_(buffer), memory_(memory) {}
  /// Steps; the layer's slice begins at `offset` of the arena.
  GradientSink(const StepOn<T>& step_on, Index offset, Index part, Index parts, kernels::PackBuffer<T>& buffer,
               PieceMemory<T>& memory)
      : step_on_(&step_on), offset_(offset), part_(part), parts_(parts), buffer_(buffer), memory_(memory) {}

  /// The gradient of a matrix that is a sum over `count` rows: runs(f) calls f(a, b) for runs of them, in order, whose
  /// part is aᵀ b.
  template <class Runs> void products(const Parameter& p, Index count, const Runs& runs) const {
    const Range mine = part_of(p.rows, part_, parts_, row_grain);
    if (store_ == Store::add || count > kernels::chain_rows) return blocks(p, mine, runs);
    const auto chain = [&](Range rows, Matrix<T> to) {
      Store store = Store::set;
      runs([&](const Matrix<const T>& a, const auto& b) {
        kernels::product(a.at_columns(rows).transpose(), b, to, buffer_, store);
        store = Store::add;
      });
      if (store == Store::set) to = T(0);
    };
    if (!step_on_) {
      const Matrix<T> to = matrix_in(gradient_, p).at_rows(mine);
      chain(mine, to);
      if (lost_.empty()) return;
      Matrix<T> lost = matrix_in(lost_, p).at_rows(mine);
      lost = T(0);
      return;
    }
    for_each_piece(mine, piece_rows(p), [&](Range rows) {
      const Matrix<T> piece(memory_.piece.reserve(rows.size() * p.columns), rows.size(), p.columns);
      chain(rows, piece);
      step(p, rows.begin * p.columns, {piece.data(), piece.size()});
    });
  }

  /// The gradient of a matrix that is a sum over `count` rows of the chunk: add(rows, of, to) adds the terms of the
  /// rows `of`, in order, to the matrix's rows `rows`, which are `to`.
  template <class Add> void sums(const Parameter& p, Index count, const Add& add) const {
    const bool one_chain = store_ == Store::set && count <= kernels::chain_rows;
    for_each_piece(part_of(p.rows, part_, parts_, row_grain), piece_rows(p), [&](Range rows) {
      const Index size = rows.size() * p.columns;
      T* const memory = memory_.piece.reserve((step_on_ ? 1 : 0) * size + (one_chain ? 0 : (step_on_ ? 2 : 1) * size));
      T* const sum = step_on_ ? memory : matrix_in(gradient_, p).at_rows(rows).data();
      if (store_ == Store::set) std::fill_n(sum, size, T(0));
      if (one_chain) {
        add(rows, Range{0, count}, Matrix<T>(sum, rows.size(), p.columns));
        if (!lost_.empty()) std::fill_n(matrix_in(lost_, p).at_rows(rows).data(), size, T(0));
      } else {
        T* const block = step_on_ ? memory + size : memory;
        T* const lost = step_on_ ? memory + 2 * size : matrix_in(lost_, p).at_rows(rows).data();
        if (store_ == Store::set) std::fill_n(lost, size, T(0));
        for (Index first = 0; first < count; first += kernels::block_rows) {
          std::fill_n(block, size, T(0));
          add(rows, Range{first, std::min(count, first + kernels::block_rows)}, {block, rows.size(), p.columns});
          kernels::add_blocks(block, sum, lost, size);
        }
      }
      if (step_on_) step(p, rows.begin * p.columns, {sum, size});
    });
  }

  /// dW = xᵀ δ.
  void product(const Parameter& p, const Matrix<const T>& x, const Matrix<const T>& delta) const {
    const bool in_pieces = (step_on_ || store_ == Store::add) && p.rows > piece_rows(p);
    const bool one_block = x.rows() <= (store_ == Store::add ? kernels::block_rows : kernels::chain_rows);
    if (in_pieces && one_block && part_of(p.rows, part_, parts_, row_grain).size() > piece_rows(p)) {
      kernels::pack(delta, memory_.delta);
      products(p, x.rows(), [&](const auto& f) { f(x, memory_.delta); });
    } else {
      products(p, x.rows(), [&](const auto& f) { f(x, delta); });
    }
  }

  /// The gradient of a vector: fill(columns, to, store, lost) writes or adds the elements `columns` of it.
  template <class F> void vector(const Parameter& p, F&& fill) const {
    const Range mine = part_of(p.size(), part_, parts_, column_grain);
    const auto of = [&](const Vector<T>& v) { return v.empty() ? v : v.at(p.range()).at(mine); };
    if (!step_on_) return fill(mine, of(gradient_), store_, of(lost_));
    const Vector<T> piece(memory_.piece.reserve(std::max<Index>(1, mine.size())), mine.size());
    fill(mine, piece, Store::set, Vector<T>());
    step(p, mine.begin, piece);
  }

  /// db = sum over the rows of δ.
  void column_sums(const Parameter& p, const Matrix<const T>& delta) const {
    vector(p, [&](Range columns, const Vector<T>& db, Store store, const Vector<T>& lost) {
      kernels::column_sums(delta.at_columns(columns), db, store, lost);
    });
  }

 private:
  // Threads cut where no two of them write to one cache line.
  static constexpr Index row_grain = 4, column_grain = 16;
  // A piece of 256 KiB in float: half of a second-level cache.
  static constexpr Index piece_size = 65536, least_rows = 64;

  static Index piece_rows(const Parameter& p) {
    return std::max(least_rows, piece_size / p.columns / least_rows * least_rows);
  }
  template <class F> static void for_each_piece(Range rows, Index height, const F& f) {
    for (Index row = rows.begin; row < rows.end; row += height) f(Range{row, std::min(row + height, rows.end)});
  }
  void step(const Parameter& p, Index at, const Vector<const T>& piece) const {
    (*step_on_)(offset_ + p.offset + at, piece);
  }

  /// `products` in blocks of rows: each block's product, piece by piece, is added to the sum and what that has lost.
  template <class Runs> void blocks(const Parameter& p, Range mine, const Runs& runs) const {
    for_each_piece(mine, piece_rows(p), [&](Range rows) {
      const Index size = rows.size() * p.columns;
      T* const memory = memory_.piece.reserve(step_on_ ? 3 * size : size);
      const Matrix<T> block(memory, rows.size(), p.columns);
      T* const sum = step_on_ ? memory + size : matrix_in(gradient_, p).at_rows(rows).data();
      T* const lost = step_on_ ? memory + 2 * size : matrix_in(lost_, p).at_rows(rows).data();
      if (store_ == Store::set) {
        std::fill_n(sum, size, T(0));
        std::fill_n(lost, size, T(0));
      }
      Index filled = 0;
      const auto end_block = [&] {
        kernels::add_blocks(memory, sum, lost, size);
        filled = 0;
      };
      const auto add = [&](const Matrix<const T>& a, const auto& b, Index count) {
        kernels::product(a.at_columns(rows).transpose(), b, block, buffer_, filled > 0 ? Store::add : Store::set);
        filled += count;
        if (filled == kernels::block_rows) end_block();
      };
      runs([&](const Matrix<const T>& a, const auto& b) {
        if constexpr (std::is_same_v<std::decay_t<decltype(b)>, kernels::PackedB<T>>) {
          add(a, b, a.rows());
        } else {
          for (Index first = 0, end = 0; first < a.rows(); first = end) {
            end = std::min(a.rows(), first + kernels::block_rows - filled);
            add(a.at_rows({first, end}), Matrix<const T>(b).at_rows({first, end}), end - first);
          }
        }
      });
      if (filled > 0) end_block();
      if (step_on_) step(p, rows.begin * p.columns, {sum, size});
    });
  }

  Vector<T> gradient_, lost_;
  Store store_ = Store::set;
  const StepOn<T>* step_on_ = nullptr;
  Index offset_ = 0, part_, parts_;
  kernels::PackBuffer<T>& buffer_;
  PieceMemory<T>& memory_;
};

}  // namespace lamina
