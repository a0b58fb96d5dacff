/// What a layer's parameters are and where they lie.
#pragma once

#include <string>

#include "core/index.hpp"

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

}  // namespace lamina
