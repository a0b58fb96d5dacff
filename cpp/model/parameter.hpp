/// What a layer's parameters are and where they lie.
#pragma once

#include <string>

#include "core/types.hpp"

namespace lamina {

/// What a parameter is, for penalties and decay (weights alone) and clipping.
enum class Role { weight, bias, gain, slope };

/// One parameter array of a layer: (rows, columns), or a vector of `columns` when rows is 0.
struct Parameter {
  std::string name;
  Index rows = 0, columns = 0;
  Role role = Role::weight;
  Index offset = 0;     ///< in the layer's slice of the arena
  bool trained = true;  ///< false: running statistics, kept in the state arena
  Index size() const { return (rows > 0 ? rows : 1) * columns; }
  Range range() const { return {offset, offset + size()}; }
};

/// The matrix, (rows, columns) or (1, columns), of a parameter within the values it has its offset in.
template <class T> Matrix<T> matrix_in(const Vector<T>& values, const Parameter& p) {
  // A map is as const as what it maps, whoever holds it.
  return {const_cast<T*>(values.data()) + p.offset, p.rows > 0 ? p.rows : 1, p.columns};
}

}  // namespace lamina
