/// Activations over memory: what the layers and the bindings call. Definitions in activate.cpp.
#pragma once

#include "core/types.hpp"
#include "math/activations.hpp"

namespace lamina {

/// y = f(x) element-wise, of contiguous matrices; slopes that depend on the unit go by the column. Learned slopes have
/// their initial value, random ones their mean. x and y may be the same memory.
template <class T> void evaluate(const Activation& f, const Matrix<const T>& x, const Matrix<T>& y);

/// d = f'(x), the true derivative, evaluated in double and rounded once for float.
template <class T> void evaluate_derivative(const Activation& f, const Matrix<const T>& x, const Matrix<T>& d);

/// z += bias (where it is not empty), y = f(z). z and y may be the same memory when f is taken `from_output`, or when
/// nobody looks at z again. `slopes` are those of the elements; with a stride of 0 every row has the same ones.
template <class T>
void activate(const Activation& f, const Vector<const T>& bias, const Matrix<T>& z, const Matrix<T>& y,
              const Matrix<const T>& slopes);

/// delta *= f', in its training form: from y, or from z, or (with `surrogates`) the straight-through estimator.
template <class T>
void multiply_derivative(const Activation& f, const Matrix<const T>& z, const Matrix<const T>& y,
                         const Matrix<T>& delta, const Matrix<const T>& slopes, bool surrogates = true);

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
