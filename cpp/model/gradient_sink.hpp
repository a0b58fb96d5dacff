/// Where a layer's parameter gradients go: into the flat gradient, or straight into the optimizer's step.
#pragma once

#include <algorithm>
#include <functional>

#include "kernels/product.hpp"
#include "kernels/reduce.hpp"
#include "model/parameter.hpp"

namespace lamina {

/// Takes a finished piece of the gradient: the elements from `offset` of the arena on, all of weights or of none.
template <class T> using StepOn = std::function<void(Index offset, const Vector<const T>& gradient, bool is_weight)>;

/// A thread's memory for gradients that are stepped on while they are in cache.
template <class T> struct PieceMemory {
  kernels::PackBuffer<T> piece;
  kernels::PackedB<T> delta;
};

/// One thread's share of the gradients of one layer. Stored, or added to what is stored, in the layer's slice of the
/// flat gradient; or, for the gradient of a whole batch at once, handed in pieces to the optimizer, so that it need not
/// be kept as a whole. Bits do not depend on which, nor on the number of threads, which share outputs and never sums.
template <class T> class GradientSink {
 public:
  using Store = kernels::Store;

  /// Stores in `gradient`, the layer's slice.
  GradientSink(const Vector<T>& gradient, Store store, Index part, Index parts, kernels::PackBuffer<T>& buffer,
               PieceMemory<T>& memory)
      : gradient_(gradient), store_(store), part_(part), parts_(parts), buffer_(buffer), memory_(memory) {}
  /// Steps; the layer's slice begins at `offset` of the arena.
  GradientSink(const StepOn<T>& step_on, Index offset, Index part, Index parts, kernels::PackBuffer<T>& buffer,
               PieceMemory<T>& memory)
      : step_on_(&step_on), offset_(offset), part_(part), parts_(parts), buffer_(buffer), memory_(memory) {}

  /// The gradient of a matrix: fill(rows, to, store) writes or adds the rows `rows` of it.
  template <class F> void matrix(const Parameter& p, F&& fill) const {
    const Range mine = part_of(p.rows, part_, parts_, row_grain);
    if (!step_on_) {
      Matrix<T> to = matrix_in(gradient_, p).at_rows(mine);
      return fill(mine, to, store_);
    }
    const Index height = piece_rows(p);
    T* const memory = memory_.piece.reserve(std::max<Index>(1, std::min(height, mine.size())) * p.columns);
    for (Index row = mine.begin; row < mine.end; row += height) {
      const Range rows{row, std::min(row + height, mine.end)};
      Matrix<T> piece(memory, rows.size(), p.columns);
      fill(rows, piece, Store::set);
      (*step_on_)(offset_ + p.offset + row * p.columns, {memory, piece.size()}, p.role == Role::weight);
    }
  }

  /// The gradient of a vector: fill(columns, to, store) writes or adds the elements `columns` of it.
  template <class F> void vector(const Parameter& p, F&& fill) const {
    const Range mine = part_of(p.columns, part_, parts_, column_grain);
    if (!step_on_) return fill(mine, Vector<T>(gradient_.at(p.range()).at(mine)), store_);
    const Vector<T> piece(memory_.piece.reserve(std::max<Index>(1, mine.size())), mine.size());
    fill(mine, piece, Store::set);
    (*step_on_)(offset_ + p.offset + mine.begin, piece, p.role == Role::weight);
  }

  /// dW = xᵀ δ.
  void product(const Parameter& p, const Matrix<const T>& x, const Matrix<const T>& delta) const {
    const bool several = step_on_ && part_of(p.rows, part_, parts_, row_grain).size() > piece_rows(p);
    if (several) kernels::pack(delta, memory_.delta);
    matrix(p, [&](Range rows, const Matrix<T>& dW, Store store) {
      if (several) kernels::product(x.at_columns(rows).transpose(), memory_.delta, dW, buffer_, store);
      else kernels::product(x.at_columns(rows).transpose(), delta, dW, buffer_, store);
    });
  }

  /// db = sum over the rows of δ.
  void column_sums(const Parameter& p, const Matrix<const T>& delta) const {
    vector(p, [&](Range columns, const Vector<T>& db, Store store) {
      kernels::column_sums(delta.at_columns(columns), db, store);
    });
  }

  kernels::PackBuffer<T>& buffer() const { return buffer_; }

 private:
  // Threads cut where no two of them write to one cache line.
  static constexpr Index row_grain = 4, column_grain = 16;
  // A piece of 256 KiB in float: half of a second-level cache.
  static constexpr Index piece_size = 65536, least_rows = 64;

  static Index piece_rows(const Parameter& p) {
    return std::max(least_rows, piece_size / p.columns / least_rows * least_rows);
  }

  Vector<T> gradient_;
  Store store_ = Store::set;
  const StepOn<T>* step_on_ = nullptr;
  Index offset_ = 0, part_, parts_;
  kernels::PackBuffer<T>& buffer_;
  PieceMemory<T>& memory_;
};

}  // namespace lamina
