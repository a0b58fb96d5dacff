/// The house types: Eigen's maps of memory that lives in arenas and arrays of the caller's. Matrices are row-major, a
/// row is a sample, C-contiguous as NumPy has it.
///
/// They are Eigen *arrays*: `a * b` is element by element, as the course's formulas of layers mostly are, and nobody
/// writes one of Eigen's matrix products by accident. What adds numbers up or approximates a function goes through
/// `kernels::` and `simd::`, which have one order and one rounding on every machine; from Eigen come + - * / sqrt,
/// comparisons, select, casts, blocks and broadcasts, whose bits do not depend on the machine.
#pragma once

#include <Eigen/Core>
#include <type_traits>

#include "core/index.hpp"

namespace lamina {

namespace detail {
template <class T, int Rows> struct HouseArray {
  using Plain = Eigen::Array<std::remove_const_t<T>, Rows, Eigen::Dynamic, Eigen::RowMajor>;
  using Type = std::conditional_t<std::is_const_v<T>, const Plain, Plain>;
};
template <class T>
using MatrixMap = Eigen::Map<typename HouseArray<T, Eigen::Dynamic>::Type, Eigen::Unaligned, Eigen::OuterStride<>>;
template <class T> using VectorMap = Eigen::Map<typename HouseArray<T, 1>::Type>;
}  // namespace detail

/// A row-major matrix of somebody else's memory, whose rows may lie further apart than they are long; `Matrix<const T>`
/// is the same to read. `=` is Eigen's, of the elements; of a read-only matrix, which has none to write, it is of the
/// view, as copies are. `view` lets either see other memory.
template <class T> class Matrix : public detail::MatrixMap<T> {
  using Map = detail::MatrixMap<T>;

 public:
  Matrix() : Matrix(nullptr, 0, 0) {}
  Matrix(T* data, Index rows, Index columns) : Matrix(data, rows, columns, columns) {}
  Matrix(T* data, Index rows, Index columns, Index stride) : Map(data, rows, columns, Eigen::OuterStride<>(stride)) {}
  Matrix(const Matrix&) = default;
  /// What may be written may be read.
  template <class U, class = std::enable_if_t<std::is_same_v<const U, T>>>
  Matrix(const Matrix<U>& m) : Matrix(m.data(), m.rows(), m.cols(), m.outerStride()) {}

  template <class U, class = std::enable_if_t<std::is_same_v<const U, T>>> Matrix& operator=(const Matrix<U>& other) {
    view(other);
    return *this;
  }
  Matrix& operator=(const Matrix& other) {
    if constexpr (std::is_const_v<T>) view(other);
    else Map::operator=(other);
    return *this;
  }
  using Map::operator=;
  void view(const Matrix& other) { new (this) Matrix(other); }

  Matrix at_rows(Range r) const { return at({r, {0, this->cols()}}); }
  Matrix at_columns(Range r) const { return at({{0, this->rows()}, r}); }
  Matrix at(const Block& b) const {
    eigen_assert(b.rows.begin >= 0 && b.rows.end <= this->rows());
    eigen_assert(b.columns.begin >= 0 && b.columns.end <= this->cols());
    return {pointer() + b.rows.begin * this->outerStride() + b.columns.begin, b.rows.size(), b.columns.size(),
            this->outerStride()};
  }
  /// Row i as memory: `columns` elements.
  T* row_data(Index i) const { return pointer() + i * this->outerStride(); }
  /// Whether rows follow each other without a gap.
  bool contiguous() const { return this->outerStride() == this->cols() || this->rows() <= 1; }
  bool empty() const { return this->size() == 0; }

 private:
  // Eigen hands out only constant pointers of a constant map; a view of writable memory may be written through.
  T* pointer() const { return const_cast<T*>(this->data()); }
};

/// A vector, as a row, of somebody else's memory; `Vector<const T>` is the same to read.
template <class T> class Vector : public detail::VectorMap<T> {
  using Map = detail::VectorMap<T>;

 public:
  Vector() : Vector(nullptr, 0) {}
  Vector(T* data, Index size) : Map(data, size) {}
  Vector(const Vector&) = default;
  template <class U, class = std::enable_if_t<std::is_same_v<const U, T>>>
  Vector(const Vector<U>& v) : Vector(v.data(), v.size()) {}

  template <class U, class = std::enable_if_t<std::is_same_v<const U, T>>> Vector& operator=(const Vector<U>& other) {
    view(other);
    return *this;
  }
  Vector& operator=(const Vector& other) {
    if constexpr (std::is_const_v<T>) view(other);
    else Map::operator=(other);
    return *this;
  }
  using Map::operator=;
  void view(const Vector& other) { new (this) Vector(other); }

  Vector at(Range r) const {
    eigen_assert(r.begin >= 0 && r.end <= this->size());
    return {const_cast<T*>(this->data()) + r.begin, r.size()};
  }
  bool empty() const { return this->size() == 0; }
};

}  // namespace lamina
