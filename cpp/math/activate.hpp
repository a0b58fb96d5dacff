/// Activations over memory: what the layers and the bindings call. Definitions in activate.cpp.
#pragma once

#include "core/types.hpp"
#include "math/activations.hpp"

namespace lamina {

/// y = f(x) element-wise, n elements, `units` the length of the last axis (for slopes that depend on the unit).
/// Learned slopes have their initial value, random ones their mean. x and y may be the same memory.
template <class T> void evaluate(const Activation& f, const T* x, T* y, Index n, Index units);

/// d = f'(x), the true derivative, evaluated in double and rounded once for float.
template <class T> void evaluate_derivative(const Activation& f, const T* x, T* d, Index n, Index units);

/// The slopes of a block: one a unit (`row_stride` 0) or one an element.
template <class T> struct Slopes {
  const T* data = nullptr;
  Index row_stride = 0;
};

/// A (rows, columns) block of a larger row-major matrix.
struct Block {
  Index rows = 0, columns = 0, stride = 0;
};

/// z += bias (when there is one), y = f(z). z and y may be the same memory when f is taken `from_output`.
template <class T> void activate(const Activation& f, const T* bias, T* z, T* y, Block block, Slopes<T> slopes);

/// delta *= f', in its training form: from y, or from z, or (with `surrogates`) the straight-through estimator.
template <class T>
void multiply_derivative(const Activation& f, const T* z, const T* y, T* delta, Block block, Slopes<T> slopes,
                         bool surrogates = true);

/// Whether training needs the pre-activation kept.
inline bool keeps_input(const Activation& f) {
  return std::visit([](const auto& a) { return !a.from_output; }, f);
}
inline Slope slope_of(const Activation& f) {
  return std::visit([](const auto& a) { return a.slope; }, f);
}
/// Whether training uses a straight-through estimator in place of the derivative.
inline bool has_surrogate(const Activation& f) {
  return std::visit([](const auto& a) { return a.has_surrogate; }, f);
}

}  // namespace lamina
