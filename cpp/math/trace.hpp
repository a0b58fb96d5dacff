/// Formulas of the library as expressions: what exporters write in other languages.
#pragma once

#include <string>
#include <vector>

#include "kernels/expression.hpp"
#include "math/activations.hpp"

namespace lamina {

/// How a formula is traced: in which type, and whether elementary functions unfold.
struct TraceOptions {
  NodeType type = NodeType::float32;
  bool open = false;
};

/// y of x, and of the unit's slope as a second input where the activation has slopes, or is used as a parametric one;
/// exactly as a layer predicts it. Throws std::invalid_argument for an activation from outside.
Expression expression_of(const Activation& f, bool parametric, const TraceOptions& options);

/// A formula that is no activation, and what its inputs are.
struct NamedFormula {
  const char* name;
  std::vector<const char*> inputs;
};
std::vector<NamedFormula> formulas();

/// The formula of this name. Throws std::invalid_argument where there is none.
Expression expression_of(const std::string& formula, const TraceOptions& options);

}  // namespace lamina
