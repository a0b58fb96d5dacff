/// What a layer's parameters are and where they lie.
#pragma once

#include <new>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/types.hpp"

namespace lamina {

/// Widths beyond this could not be multiplied, nor arrays beyond that be added up; no memory holds either.
inline constexpr Index most_units = (Index{1} << 31) - 1, most_elements = Index{1} << 44;

/// Throws std::invalid_argument, which names `what`, where columns are more than that.
inline void check_width(const std::string& what, Index width) {
  if (width <= most_units) return;
  throw std::invalid_argument(what + " must be at most " + std::to_string(most_units) + "; got " +
                              std::to_string(width));
}
/// Throws std::bad_alloc for an array of so many elements that none could be had; a product of sizes goes in as double,
/// which does not overflow.
inline void check_elements(double elements) {
  if (!(elements <= static_cast<double>(most_elements))) throw std::bad_alloc();
}

/// What a parameter is, for penalties and decay (weights alone) and clipping.
enum class Role { weight, bias, gain, slope };

/// One parameter array of a layer: (rows, columns), or a vector of `columns` when rows is 0; or `members` of them, one
/// after another.
struct Parameter {
  std::string name;
  Index rows = 0, columns = 0;
  Role role = Role::weight;
  Index offset = 0;     ///< in the layer's slice of the arena
  bool trained = true;  ///< false: running statistics, kept in the state arena
  Index members = 1;
  Index size() const { return members * (rows > 0 ? rows : 1) * columns; }
  Range range() const { return {offset, offset + size()}; }
  /// The i-th of the members alone.
  Parameter member(Index i) const {
    Parameter one = *this;
    one.members = 1;
    one.offset += i * one.size();
    return one;
  }
  std::vector<Index> shape() const {
    std::vector<Index> sides{columns};
    if (rows > 0) sides.insert(sides.begin(), rows);
    if (members > 1) sides.insert(sides.begin(), members);
    return sides;
  }
};

/// The matrix, (rows, columns) or (1, columns), of a parameter within the values it has its offset in; those of members
/// below each other.
template <class T> Matrix<T> matrix_in(const Vector<T>& values, const Parameter& p) {
  // A map is as const as what it maps, whoever holds it.
  return {const_cast<T*>(values.data()) + p.offset, p.members * (p.rows > 0 ? p.rows : 1), p.columns};
}

}  // namespace lamina
