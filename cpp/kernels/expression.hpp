/// A formula as a list of operations: what a trace (kernels/trace.hpp) gives, and exporters read.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace lamina {

/// What the result of an operation is.
enum class NodeType { float32, float64, int32, int64, boolean };
inline constexpr std::array<const char*, 5> node_type_names{"float32", "float64", "int32", "int64", "bool"};

/// One operation: its name, the type of its result, and the numbers of the nodes it is made of, which come before it.
struct Node {
  const char* op;
  NodeType type;
  std::vector<int> arguments;
  double number = 0;       ///< a constant of floating point
  std::int64_t whole = 0;  ///< an integer constant, or by how many bits to shift
};

/// The nodes of a formula and which of them are its results. Inputs come first, in their order; equal operations are
/// one node, and nothing else is in it than what the results are made of.
struct Expression {
  std::vector<Node> nodes;
  std::vector<int> results;
};

}  // namespace lamina
