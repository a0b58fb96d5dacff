/// What a layer's parameters are and where they lie.
#pragma once

#include <string>
#include <vector>

#include "core/types.hpp"

namespace lamina {

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
