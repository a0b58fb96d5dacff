/// Activations: one struct each (name, formula, derivative, source, parameters), then the list. Everything else
/// (layers, bindings, tests, docs, saving) follows from `Activation` at the end of this file.
///
/// A struct gives `value(x)` and `derivative(x)` lane by lane. Optional traits:
/// - `from_output`: training takes `derivative_from_output(y)`, so nothing is kept but the output;
/// - `both(x)`: what training takes in place of `value(x)` and `derivative(x)`, where they share work; it is evaluated
/// in
///   x's own type, and its derivative need not have all digits where the function is flat;
/// - `in_double`: float is evaluated in double, because the formula cancels;
/// - `surrogate(x)`: training takes this in place of a derivative that is zero everywhere (straight-through estimator);
/// - `slope`: value and derivative take a slope per unit (learned, or the unit's parity) or per element (random, drawn
///   from `lower` to `upper`), and `start_slope(unit)` gives it where nothing is learned or drawn yet; of a learned one
///   `slope_derivative(x)` is dy / d slope;
/// - `suits`: the initialisation that keeps signals in size through many such layers.
#pragma once

#include <memory>

#include "core/registry.hpp"
#include "core/types.hpp"
#include "kernels/elementary.hpp"
#include "math/custom.hpp"

namespace lamina {

/// Where the slope of an activation comes from.
enum class Slope { none, parity, learned, random };

/// Whose initialisation suits an activation: He's those that halve the variance by letting one side pass, LeCun's those
/// that keep mean and variance by themselves, Glorot's the others.
enum class Suits { glorot, he, lecun };

/// A function's value and its derivative.
template <class V> struct Both {
  V value, derivative;
};

struct ActivationEntry : Entry {
  static constexpr bool from_output = false;
  static constexpr bool in_double = false;
  static constexpr bool has_surrogate = false;
  static constexpr Slope slope = Slope::none;
  static constexpr Suits suits = Suits::glorot;
  double start_slope(Index) const { return 0; }
};

struct RectifierEntry : ActivationEntry {
  static constexpr Suits suits = Suits::he;
};

namespace activation {

using simd::abs;
using simd::copysign;
using simd::exp;
using simd::expm1;
using simd::fma;
using simd::log1p;
using simd::logistic;
using simd::max;
using simd::min;
using simd::select;
using simd::sqrt;

template <class V> LAMINA_INLINE V constant(double c) { return V(static_cast<typename V::Scalar>(c)); }
/// x clipped to [low, high]; NaN stays NaN.
template <class V> LAMINA_INLINE V clip(V x, double low, double high) {
  return select(x < constant<V>(low), constant<V>(low), select(x > constant<V>(high), constant<V>(high), x));
}
/// 1 strictly inside (low, high), else 0.
template <class V> LAMINA_INLINE V inside(V x, double low, double high) {
  return select((x > constant<V>(low)) & (x < constant<V>(high)), V(1), V(0));
}
template <class V> LAMINA_INLINE V step(V x) { return select(x > V(0), V(1), V(0)); }
/// x where x > 0, else `negative`.
template <class V> LAMINA_INLINE V rectify(V x, V negative) { return select(x > V(0), x, negative); }

struct Identity : ActivationEntry {
  static constexpr const char* name = "identity";
  static constexpr std::array<const char*, 1> aliases{"linear"};
  static constexpr const char* formula = "x";
  static constexpr const char* derivative_formula = "1";
  static constexpr const char* source = "course notes, Activation (1)";
  static constexpr bool from_output = true;
  template <class V> LAMINA_INLINE V value(V x) const { return x; }
  template <class V> LAMINA_INLINE V derivative(V) const { return V(1); }
  template <class V> LAMINA_INLINE V derivative_from_output(V) const { return V(1); }
};

struct Heaviside : ActivationEntry {
  static constexpr const char* name = "heaviside";
  static constexpr std::array<const char*, 2> aliases{"binary", "threshold"};
  static constexpr const char* formula = "1 if x >= 0 else 0";
  static constexpr const char* derivative_formula = "0 (training: 1 where |x| <= 1, straight-through)";
  static constexpr const char* source = "course notes, Activation (1); estimator: arXiv 1602.02830";
  static constexpr bool has_surrogate = true;
  template <class V> LAMINA_INLINE V value(V x) const { return select(x >= V(0), V(1), select(x < V(0), V(0), x)); }
  template <class V> LAMINA_INLINE V derivative(V) const { return V(0); }
  template <class V> LAMINA_INLINE V surrogate(V x) const { return select(abs(x) <= V(1), V(1), V(0)); }
};

struct Sign : ActivationEntry {
  static constexpr const char* name = "sign";
  static constexpr std::array<const char*, 1> aliases{"bipolar"};
  static constexpr const char* formula = "1 if x >= 0 else -1";
  static constexpr const char* derivative_formula = "0 (training: 1 where |x| <= 1, straight-through)";
  static constexpr const char* source = "course notes, Activation (1); estimator: arXiv 1602.02830";
  static constexpr bool has_surrogate = true;
  template <class V> LAMINA_INLINE V value(V x) const { return select(x >= V(0), V(1), select(x < V(0), V(-1), x)); }
  template <class V> LAMINA_INLINE V derivative(V) const { return V(0); }
  template <class V> LAMINA_INLINE V surrogate(V x) const { return select(abs(x) <= V(1), V(1), V(0)); }
};

struct Logistic : ActivationEntry {
  static constexpr const char* name = "logistic";
  static constexpr std::array<const char*, 1> aliases{"sigmoid"};
  static constexpr const char* formula = "1 / (1 + exp(-x))";
  static constexpr const char* derivative_formula = "y (1 - y)";
  static constexpr const char* source = "course notes, Multiple neurons";
  static constexpr bool from_output = true;
  template <class V> LAMINA_INLINE V value(V x) const { return logistic(x); }
  template <class V> LAMINA_INLINE V derivative(V x) const {
    const V e = exp(-abs(x)), d = V(1) + e;
    return e / (d * d);
  }
  template <class V> LAMINA_INLINE V derivative_from_output(V y) const { return y * (V(1) - y); }
};

struct Tanh : ActivationEntry {
  static constexpr const char* name = "tanh";
  static constexpr const char* formula = "tanh(x)";
  static constexpr const char* derivative_formula = "1 - y^2";
  static constexpr const char* source = "course notes, Activation (1)";
  static constexpr bool from_output = true;
  template <class V> LAMINA_INLINE V value(V x) const { return simd::tanh(x); }
  template <class V> LAMINA_INLINE V derivative(V x) const {
    const V e = exp(V(-2) * abs(x)), d = V(1) + e;
    return V(4) * e / (d * d);
  }
  template <class V> LAMINA_INLINE V derivative_from_output(V y) const { return fma(-y, y, V(1)); }
};

struct Arctan : ActivationEntry {
  static constexpr const char* name = "arctan";
  static constexpr const char* formula = "atan(x)";
  static constexpr const char* derivative_formula = "1 / (1 + x^2)";
  static constexpr const char* source = "course notes, Activation (2)";
  template <class V> LAMINA_INLINE V value(V x) const { return simd::atan(x); }
  template <class V> LAMINA_INLINE V derivative(V x) const { return V(1) / fma(x, x, V(1)); }
};

struct Relu : RectifierEntry {
  static constexpr const char* name = "relu";
  static constexpr const char* formula = "max(0, x)";
  static constexpr const char* derivative_formula = "1 if x > 0 else 0";
  static constexpr const char* source = "course notes, Activation (3)";
  static constexpr bool from_output = true;
  // max(0, x) with x second, so that NaN stays NaN.
  template <class V> LAMINA_INLINE V value(V x) const { return max(V(0), x); }
  template <class V> LAMINA_INLINE V derivative(V x) const { return step(x); }
  template <class V> LAMINA_INLINE V derivative_from_output(V y) const { return step(y); }
};

struct LeakyRelu : RectifierEntry {
  static constexpr const char* name = "leaky_relu";
  static constexpr const char* formula = "x if x > 0 else alpha x";
  static constexpr const char* derivative_formula = "1 if x > 0 else alpha";
  static constexpr const char* source = "course notes, Activation (5)";
  double alpha = 0.01;
  static constexpr auto fields() {
    return std::tuple{Field{"alpha", &LeakyRelu::alpha, "slope for x <= 0; the course suggests 0.1 to 0.3"}};
  }
  template <class V> LAMINA_INLINE V value(V x) const { return rectify(x, constant<V>(alpha) * x); }
  template <class V> LAMINA_INLINE V derivative(V x) const { return select(x > V(0), V(1), constant<V>(alpha)); }
};

/// The leaky family whose slope is not a constant: the layer hands it in.
struct SlopedEntry : RectifierEntry {
  template <class V> LAMINA_INLINE V value(V x, V a) const { return rectify(x, a * x); }
  template <class V> LAMINA_INLINE V derivative(V x, V a) const { return select(x > V(0), V(1), a); }
};

struct RandomRelu : SlopedEntry {
  static constexpr const char* name = "rrelu";
  static constexpr const char* formula = "x if x > 0 else a x; training: a ~ U(lower, upper), inference: the mean";
  static constexpr const char* derivative_formula = "1 if x > 0 else a";
  static constexpr const char* source = "arXiv 1505.00853";
  static constexpr Slope slope = Slope::random;
  double lower = 1.0 / 8, upper = 1.0 / 3;
  static constexpr auto fields() {
    return std::tuple{Field{"lower", &RandomRelu::lower, "least slope drawn in training", Bounds::within(0, 1)},
                      Field{"upper", &RandomRelu::upper, "largest slope drawn in training", Bounds::within(0, 1)}};
  }
  void check() const {
    if (lower > upper) throw std::invalid_argument("lower of rrelu must not exceed its upper");
  }
  double start_slope(Index) const { return (lower + upper) / 2; }
};

struct ParametricRelu : SlopedEntry {
  static constexpr const char* name = "prelu";
  static constexpr const char* formula = "max(0, x) + a min(0, x), a learned, one per unit";
  static constexpr const char* derivative_formula = "1 if x > 0 else a; d/da = min(0, x)";
  static constexpr const char* source = "arXiv 1502.01852";
  static constexpr Slope slope = Slope::learned;
  double initial = 0.25;
  static constexpr auto fields() {
    return std::tuple{Field{"initial", &ParametricRelu::initial, "the slope every unit starts from"}};
  }
  double start_slope(Index) const { return initial; }
  template <class V> LAMINA_INLINE V slope_derivative(V x) const { return select(x < V(0), x, V(0)); }
};

struct Elu : RectifierEntry {
  static constexpr const char* name = "elu";
  static constexpr const char* formula = "x if x > 0 else alpha (exp(x) - 1)";
  static constexpr const char* derivative_formula = "1 if x > 0 else alpha exp(x)";
  static constexpr const char* source = "course notes, Activation (4); arXiv 1511.07289";
  double alpha = 1.0;
  static constexpr auto fields() {
    return std::tuple{Field{"alpha", &Elu::alpha, "scale for x <= 0; the course suggests 0.1 to 0.3"}};
  }
  template <class V> LAMINA_INLINE V value(V x) const { return rectify(x, constant<V>(alpha) * expm1(min(V(0), x))); }
  template <class V> LAMINA_INLINE V derivative(V x) const {
    return select(x > V(0), V(1), constant<V>(alpha) * exp(min(V(0), x)));
  }
  template <class V> LAMINA_INLINE Both<V> both(V x) const {
    const V y = value(x);
    return {y, select(x > V(0), V(1), y + constant<V>(alpha))};
  }
};

struct Softsign : ActivationEntry {
  static constexpr const char* name = "softsign";
  static constexpr const char* formula = "x / (1 + |x|)";
  static constexpr const char* derivative_formula = "1 / (1 + |x|)^2";
  static constexpr const char* source = "course notes, Activation (2)";
  template <class V> LAMINA_INLINE V value(V x) const {
    const V d = V(1) + abs(x);
    return select(d == d + d, copysign(V(1), x), x / d);  // only infinity doubles to itself
  }
  template <class V> LAMINA_INLINE V derivative(V x) const {
    const V q = V(1) / (V(1) + abs(x));
    return q * q;
  }
};

/// x / sqrt(1 + alpha x^2), safe from overflow: beyond |x| = 1 divided through by |x|.
template <class V> LAMINA_INLINE V inverse_square_root_unit(V x, double alpha) {
  const V a = constant<V>(alpha), q = V(1) / x;
  return select(abs(x) > V(1), copysign(V(1) / sqrt(fma(q, q, a)), x), x / sqrt(fma(a * x, x, V(1))));
}
template <class V> LAMINA_INLINE V inverse_square_root_slope(V x, double alpha) {
  const V q = V(1) / sqrt(fma(constant<V>(alpha) * x, x, V(1)));
  return q * q * q;
}

struct Isru : ActivationEntry {
  static constexpr const char* name = "isru";
  static constexpr const char* formula = "x / sqrt(1 + alpha x^2)";
  static constexpr const char* derivative_formula = "(1 + alpha x^2)^(-3/2)";
  static constexpr const char* source = "arXiv 1710.09967";
  double alpha = 1.0;
  static constexpr auto fields() {
    return std::tuple{Field{"alpha", &Isru::alpha, "saturates at 1 / sqrt(alpha)", Bounds::above(0)}};
  }
  template <class V> LAMINA_INLINE V value(V x) const { return inverse_square_root_unit(x, alpha); }
  template <class V> LAMINA_INLINE V derivative(V x) const { return inverse_square_root_slope(x, alpha); }
};

struct Isrlu : RectifierEntry {
  static constexpr const char* name = "isrlu";
  static constexpr const char* formula = "x if x >= 0 else x / sqrt(1 + alpha x^2)";
  static constexpr const char* derivative_formula = "1 if x >= 0 else (1 + alpha x^2)^(-3/2)";
  static constexpr const char* source = "arXiv 1710.09967";
  double alpha = 1.0;
  static constexpr auto fields() {
    return std::tuple{Field{"alpha", &Isrlu::alpha, "saturates at -1 / sqrt(alpha)", Bounds::above(0)}};
  }
  template <class V> LAMINA_INLINE V value(V x) const {
    return select(x >= V(0), x, inverse_square_root_unit(x, alpha));
  }
  template <class V> LAMINA_INLINE V derivative(V x) const {
    return select(x >= V(0), V(1), inverse_square_root_slope(x, alpha));
  }
};

struct Sqnl : ActivationEntry {
  static constexpr const char* name = "sqnl";
  static constexpr const char* formula = "x - x |x| / 4 for |x| <= 2, else sign(x)";
  static constexpr const char* derivative_formula = "max(0, 1 - |x| / 2)";
  static constexpr const char* source = "course notes, Activation (2): square non-linearity";
  template <class V> LAMINA_INLINE V value(V x) const {
    const V c = clip(x, -2, 2);
    return c * fma(abs(c), constant<V>(-0.25), V(1));
  }
  template <class V> LAMINA_INLINE V derivative(V x) const { return max(V(0), fma(abs(x), constant<V>(-0.5), V(1))); }
};

struct BipolarRelu : RectifierEntry {
  static constexpr const char* name = "bipolar_relu";
  static constexpr std::array<const char*, 1> aliases{"brelu"};
  static constexpr const char* formula = "max(0, x) for units of even index, min(0, x) for odd (last axis)";
  static constexpr const char* derivative_formula = "1 where it passes, else 0";
  static constexpr const char* source = "arXiv 1709.04054";
  static constexpr Slope slope = Slope::parity;
  double start_slope(Index unit) const { return static_cast<double>(unit % 2); }
  template <class V> LAMINA_INLINE V value(V x, V odd) const { return select(odd == V(0), max(V(0), x), min(V(0), x)); }
  template <class V> LAMINA_INLINE V derivative(V x, V odd) const { return select(odd == V(0), step(x), step(-x)); }
};

struct Softplus : RectifierEntry {
  static constexpr const char* name = "softplus";
  static constexpr const char* formula = "log(1 + exp(x))";
  static constexpr const char* derivative_formula = "1 / (1 + exp(-x))";
  static constexpr const char* source = "course notes, Activation (2)";
  template <class V> LAMINA_INLINE V value(V x) const { return max(V(0), x) + log1p(exp(-abs(x))); }
  template <class V> LAMINA_INLINE V derivative(V x) const { return logistic(x); }
};

struct Saturation : ActivationEntry {
  static constexpr const char* name = "saturation";
  static constexpr std::array<const char*, 1> aliases{"hardtanh"};
  static constexpr const char* formula = "clip(x, -1, 1)";
  static constexpr const char* derivative_formula = "1 if |x| < 1 else 0";
  static constexpr const char* source = "course notes, Activation (1)";
  static constexpr bool from_output = true;
  template <class V> LAMINA_INLINE V value(V x) const { return clip(x, -1, 1); }
  template <class V> LAMINA_INLINE V derivative(V x) const { return inside(x, -1, 1); }
  template <class V> LAMINA_INLINE V derivative_from_output(V y) const { return inside(y, -1, 1); }
};

struct Gaussian : ActivationEntry {
  static constexpr const char* name = "gaussian";
  static constexpr const char* formula = "exp(-x^2)";
  static constexpr const char* derivative_formula = "-2 x y";
  static constexpr const char* source = "course notes, Activation (1)";
  template <class V> LAMINA_INLINE V value(V x) const { return simd::gaussian(x); }
  template <class V> LAMINA_INLINE V derivative(V x) const {
    const V y = simd::gaussian(x);
    return select(y == V(0), V(0), V(-2) * x * y);  // inf * 0 has the limit 0
  }
};

// The decade after the course's classics.

/// x f(x) where f falls to 0 faster than x grows: the limit at -inf is 0, not inf * 0.
template <class V> LAMINA_INLINE V gated(V x, V gate) { return select(gate == V(0), V(0) * gate, x * gate); }

struct Gelu : RectifierEntry {
  static constexpr const char* name = "gelu";
  static constexpr const char* formula = "0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3)))";
  static constexpr const char* derivative_formula =
      "0.5 (1 + tanh u) + 0.5 x sech^2(u) sqrt(2/pi) (1 + 0.134145 x^2), u = sqrt(2/pi) (x + 0.044715 x^3)";
  static constexpr const char* source =
      "course notes, Activation (6) (its 0.535161 read as 0.0535161); arXiv 1606.08415";
  static constexpr bool in_double = true;
  static constexpr double sqrt_2_over_pi = 0.79788456080286535588;
  /// (1 + tanh u) / 2 = logistic(2u): no cancellation for negative x.
  template <class V> static LAMINA_INLINE V twice_u(V x) {
    return constant<V>(2 * sqrt_2_over_pi) * x * fma(constant<V>(0.044715) * x, x, V(1));
  }
  template <class V> LAMINA_INLINE Both<V> both(V x) const {
    const V t = logistic(twice_u(x));
    const V c = clip(x, -100, 100);  // beyond, the derivative is 0 or 1 and x^3 would meet infinity
    const V du = constant<V>(2 * sqrt_2_over_pi) * fma(constant<V>(3 * 0.044715) * c, c, V(1));
    return {gated(x, t), fma(c * t * (V(1) - t), du, t)};
  }
  template <class V> LAMINA_INLINE V value(V x) const { return both(x).value; }
  template <class V> LAMINA_INLINE V derivative(V x) const { return both(x).derivative; }
};

struct GeluExact : RectifierEntry {
  static constexpr const char* name = "gelu_exact";
  static constexpr const char* formula = "x Phi(x), Phi the normal distribution function";
  static constexpr const char* derivative_formula = "Phi(x) + x phi(x)";
  static constexpr const char* source = "arXiv 1606.08415";
  static constexpr bool in_double = true;
  template <class V> LAMINA_INLINE Both<V> both(V x) const {
    const V t = simd::normal_cdf(x), c = clip(x, -100, 100);
    return {gated(x, t), fma(c, simd::normal_pdf(x), t)};
  }
  template <class V> LAMINA_INLINE V value(V x) const { return both(x).value; }
  template <class V> LAMINA_INLINE V derivative(V x) const { return both(x).derivative; }
};

struct Silu : RectifierEntry {
  static constexpr const char* name = "silu";
  static constexpr std::array<const char*, 1> aliases{"swish"};
  static constexpr const char* formula = "x / (1 + exp(-x))";
  static constexpr const char* derivative_formula = "s (1 + x (1 - s)), s = 1 / (1 + exp(-x))";
  static constexpr const char* source = "arXiv 1702.03118";
  static constexpr bool in_double = true;  // x times a subnormal logistic would lose its digits
  template <class V> LAMINA_INLINE Both<V> both(V x) const {
    const V s = logistic(x), c = clip(x, -1000, 1000);  // so that infinity does not meet 0
    return {gated(x, s), fma(c * s, V(1) - s, s)};
  }
  template <class V> LAMINA_INLINE V value(V x) const { return both(x).value; }
  template <class V> LAMINA_INLINE V derivative(V x) const { return both(x).derivative; }
};

struct Mish : RectifierEntry {
  static constexpr const char* name = "mish";
  static constexpr const char* formula = "x tanh(log(1 + exp(x)))";
  static constexpr const char* derivative_formula = "t + x (1 - t^2) / (1 + exp(-x)), t = tanh(log(1 + exp(x)))";
  static constexpr const char* source = "arXiv 1908.08681";
  static constexpr bool in_double = true;
  // With e = exp(x) and n = e (e + 2): t = n / (n + 2), and (1 - t^2) / (1 + exp(-x)) = e (e + 1) (1 - t)^2.
  template <class V> LAMINA_INLINE Both<V> both(V x) const {
    const V c = clip(x, -1000, 40), e = exp(c), n = e * (e + V(2)), t = n / (n + V(2)), u = V(1) - t;
    return {gated(x, t), fma(c * e * (e + V(1)), u * u, t)};
  }
  template <class V> LAMINA_INLINE V value(V x) const { return both(x).value; }
  template <class V> LAMINA_INLINE V derivative(V x) const { return both(x).derivative; }
};

struct Selu : ActivationEntry {
  static constexpr const char* name = "selu";
  static constexpr const char* formula = "s x if x > 0 else s a (exp(x) - 1), s = 1.0507..., a = 1.6732...";
  static constexpr const char* derivative_formula = "s if x > 0 else s a exp(x)";
  static constexpr const char* source = "arXiv 1706.02515";
  static constexpr Suits suits = Suits::lecun;
  static constexpr double scale = 1.0507009873554804934193349852946;
  static constexpr double alpha = 1.6732632423543772848170429916717;
  template <class V> LAMINA_INLINE V value(V x) const {
    return select(x > V(0), constant<V>(scale) * x, constant<V>(scale * alpha) * expm1(min(V(0), x)));
  }
  template <class V> LAMINA_INLINE V derivative(V x) const {
    return select(x > V(0), constant<V>(scale), constant<V>(scale * alpha) * exp(min(V(0), x)));
  }
  template <class V> LAMINA_INLINE Both<V> both(V x) const {
    const V y = value(x);
    return {y, select(x > V(0), constant<V>(scale), y + constant<V>(scale * alpha))};
  }
};

struct Celu : RectifierEntry {
  static constexpr const char* name = "celu";
  static constexpr const char* formula = "max(0, x) + min(0, alpha (exp(x / alpha) - 1))";
  static constexpr const char* derivative_formula = "1 if x > 0 else exp(x / alpha)";
  static constexpr const char* source = "arXiv 1704.07483";
  double alpha = 1.0;
  static constexpr auto fields() {
    return std::tuple{Field{"alpha", &Celu::alpha, "scale of the exponential", Bounds::above(0)}};
  }
  template <class V> LAMINA_INLINE V value(V x) const {
    const V a = constant<V>(alpha);
    return rectify(x, a * expm1(min(V(0), x) / a));
  }
  template <class V> LAMINA_INLINE V derivative(V x) const {
    return select(x > V(0), V(1), exp(min(V(0), x) / constant<V>(alpha)));
  }
  template <class V> LAMINA_INLINE Both<V> both(V x) const {
    const V y = value(x);
    return {y, select(x > V(0), V(1), y * constant<V>(1 / alpha) + V(1))};
  }
};

/// clip(x + 3, 0, 6) / 6, the straight-line logistic of hard_sigmoid and hard_swish.
template <class V> LAMINA_INLINE V ramp(V x) { return clip(x + V(3), 0, 6) / V(6); }

struct HardSigmoid : ActivationEntry {
  static constexpr const char* name = "hard_sigmoid";
  static constexpr const char* formula = "clip(x + 3, 0, 6) / 6";
  static constexpr const char* derivative_formula = "1/6 if |x| < 3 else 0";
  static constexpr const char* source = "PyTorch documentation, Hardsigmoid";
  static constexpr bool in_double = true;
  template <class V> LAMINA_INLINE V value(V x) const { return ramp(x); }
  template <class V> LAMINA_INLINE V derivative(V x) const { return inside(x, -3, 3) / V(6); }
};

struct HardSwish : RectifierEntry {
  static constexpr const char* name = "hard_swish";
  static constexpr const char* formula = "x clip(x + 3, 0, 6) / 6";
  static constexpr const char* derivative_formula = "0 if x <= -3, 1 if x >= 3, else x / 3 + 1/2";
  static constexpr const char* source = "arXiv 1905.02244";
  static constexpr bool in_double = true;
  template <class V> LAMINA_INLINE V value(V x) const { return gated(x, ramp(x)); }
  template <class V> LAMINA_INLINE V derivative(V x) const {
    return select(x <= V(-3), V(0), select(x >= V(3), V(1), fma(x, constant<V>(1.0 / 3), constant<V>(0.5))));
  }
};

struct Relu6 : RectifierEntry {
  static constexpr const char* name = "relu6";
  static constexpr const char* formula = "clip(x, 0, 6)";
  static constexpr const char* derivative_formula = "1 if 0 < x < 6 else 0";
  static constexpr const char* source = "PyTorch documentation, ReLU6";
  static constexpr bool from_output = true;
  template <class V> LAMINA_INLINE V value(V x) const { return clip(x, 0, 6); }
  template <class V> LAMINA_INLINE V derivative(V x) const { return inside(x, 0, 6); }
  template <class V> LAMINA_INLINE V derivative_from_output(V y) const { return inside(y, 0, 6); }
};

struct Squareplus : RectifierEntry {
  static constexpr const char* name = "squareplus";
  static constexpr const char* formula = "(x + sqrt(x^2 + b)) / 2";
  static constexpr const char* derivative_formula = "(1 + x / sqrt(x^2 + b)) / 2";
  static constexpr const char* source = "arXiv 2112.11687";
  double b = 4.0;
  static constexpr auto fields() {
    return std::tuple{Field{"b", &Squareplus::b, "how wide the bend is; f(0) = sqrt(b) / 2", Bounds::above(0)}};
  }
  /// sqrt(x^2 + b) for a = |x|, safe from overflow: beyond a = 1 divided through by a.
  template <class V> LAMINA_INLINE V root(V a) const {
    const V c = constant<V>(b), q = V(1) / a;
    return select(a > V(1), a * sqrt(fma(c * q, q, V(1))), sqrt(fma(a, a, c)));
  }
  /// The function at -a, b / 2 / (a + root), which does not cancel. Halves, since a + root may overflow.
  template <class V> LAMINA_INLINE V below(V a, V r) const {
    const V half = constant<V>(0.5);
    return constant<V>(b / 4) / fma(half, a, half * r);
  }
  // f(x) = max(0, x) + f(-|x|), and f'(x) = 1 - f'(-x).
  template <class V> LAMINA_INLINE V value(V x) const {
    const V a = abs(x);
    return max(V(0), x) + below(a, root(a));
  }
  template <class V> LAMINA_INLINE V derivative(V x) const {
    const V a = abs(x), r = root(a), left = below(a, r) / r;
    return select(x > V(0), V(1) - left, left);
  }
};

/// An activation from outside, called a block at a time.
struct Custom : ActivationEntry {
  static constexpr const char* name = "custom";
  static constexpr const char* formula = "as given";
  static constexpr const char* derivative_formula = "as given";
  static constexpr const char* source = "the caller";
  static constexpr bool listed = false;
  std::shared_ptr<const CustomActivation> functions;
  std::string label() const { return functions->name; }
};

}  // namespace activation

/// Every activation there is.
using Activation =
    std::variant<activation::Identity, activation::Heaviside, activation::Sign, activation::Logistic, activation::Tanh,
                 activation::Arctan, activation::Relu, activation::LeakyRelu, activation::RandomRelu,
                 activation::ParametricRelu, activation::Elu, activation::Softsign, activation::Isru, activation::Isrlu,
                 activation::Sqnl, activation::BipolarRelu, activation::Softplus, activation::Saturation,
                 activation::Gaussian, activation::Gelu, activation::GeluExact, activation::Silu, activation::Mish,
                 activation::Selu, activation::Celu, activation::HardSigmoid, activation::HardSwish, activation::Relu6,
                 activation::Squareplus, activation::Custom>;

inline constexpr const char* softmax_advice =
    "the loss has it. Give the last layer none (activation='identity'), and the network loss='cross_entropy'; its "
    "predictions are then the softmax";
template <>
inline constexpr std::array<Elsewhere, 3> elsewhere<Activation>{
    {{"softmax", softmax_advice}, {"log_softmax", softmax_advice}, {"logsoftmax", softmax_advice}}};

/// The slope of a unit before anything is learned or drawn: its parity, where learned slopes start from, or the mean of
/// random ones, which inference uses; 0 where there are no slopes.
template <class T> T slope_at_start(const Activation& f, Index unit) {
  return std::visit([&](const auto& a) { return static_cast<T>(a.start_slope(unit)); }, f);
}

}  // namespace lamina
