/// Activations over memory: what the layers and the bindings call. Definitions in activate.cpp.
#pragma once

#include "core/types.hpp"
#include "math/activations.hpp"

namespace lamina {

/// f(x) with or without a slope.
template <class A, class V> LAMINA_INLINE V plain_value(const A& a, V x, V slope) {
  if constexpr (A::slope == Slope::none) return a.value(x);
  else return a.value(x, slope);
}

/// y of v, a vector of one activation's units: f(v), or of a parametric one v + slope (f(v) - v).
template <bool parametric, class A, class T, int N>
LAMINA_INLINE simd::Vec<T, N> unit_value(const A& a, simd::Vec<T, N> v, simd::Vec<T, N> slope) {
  simd::Vec<T, N> y;
  if constexpr (A::in_double && std::is_same_v<T, float>) y = in_double(v, [&](auto wide) { return a.value(wide); });
  else y = plain_value(a, v, slope);
  // Not v + slope (f - v), which would lose digits of a small f where the slope is 1.
  if constexpr (parametric) y = fma(slope, y, (simd::Vec<T, N>(T(1)) - slope) * v);
  return y;
}

/// y = f(x) element-wise, of contiguous matrices; slopes that depend on the unit go by the column. Learned slopes have
/// their initial value, random ones their mean. x and y may be the same memory.
template <class T> void evaluate(const Activation& f, const Matrix<const T>& x, const Matrix<T>& y);

/// d = f'(x), the true derivative, evaluated in double and rounded once for float.
template <class T> void evaluate_derivative(const Activation& f, const Matrix<const T>& x, const Matrix<T>& d);

/// A block of a layer's units: y = f(v), or where it is parametric y = v + s (f(v) - v), of v = scale z + bias, the
/// bias where it is not empty. `slopes` are those of the elements; with a stride of 0 every row has the same ones.
template <class T> struct ActivationBlock {
  Matrix<T> z, y;  ///< may be the same memory
  Vector<const T> bias = {};
  Matrix<const T> slopes = {};
  T scale = 1;
  bool parametric = false;
  Matrix<T> dy_dz = {};  ///< what `activate_keeping` writes; may be the memory of z
  Matrix<T> dy_ds = {};  ///< likewise, where the slopes are learned
};

/// y of the block.
template <class T> void activate(const Activation& f, const ActivationBlock<T>& block);

/// y of the block and, for what comes back, dy / dz; with learned slopes also dy / ds. In T's own precision: y may
/// differ in the last digits from that of `activate`. With `surrogates`, straight-through estimators are derivatives.
template <class T> void activate_keeping(const Activation& f, const ActivationBlock<T>& block, bool surrogates = true);

/// delta *= f', in its training form, from z or from y = f(z).
template <class T>
void multiply_derivative(const Activation& f, const Matrix<const T>& z, const Matrix<const T>& y,
                         const Matrix<T>& delta, const Matrix<const T>& slopes);

/// delta *= scale f', of an f whose derivative follows from y.
template <class T>
void multiply_from_output(const Activation& f, const Matrix<const T>& y, const Matrix<T>& delta, T scale = 1);

/// Whether training takes the derivative from the output.
inline bool derivative_from_output(const Activation& f) {
  return std::visit([](const auto& a) { return a.from_output; }, f);
}
inline Slope slope_of(const Activation& f) {
  return std::visit([](const auto& a) { return a.slope; }, f);
}
/// Whether training uses a straight-through estimator in place of the derivative.
inline bool has_surrogate(const Activation& f) {
  return std::visit([](const auto& a) { return a.has_surrogate; }, f);
}

}  // namespace lamina
