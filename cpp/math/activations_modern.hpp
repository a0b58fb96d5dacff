/// The activations of the decade after the course's classics, and the list of all. Part of math/activations.hpp.
#pragma once

namespace lamina {
namespace activation {

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
  template <class V> LAMINA_INLINE V value(V x) const { return gated(x, logistic(twice_u(x))); }
  template <class V> LAMINA_INLINE V derivative(V x) const {
    const V c = clip(x, -100, 100);  // beyond, the derivative is 0 or 1 and x^3 would meet infinity
    const V e = exp(-abs(twice_u(c))), d = V(1) + e;
    const V du = constant<V>(2 * sqrt_2_over_pi) * fma(constant<V>(3 * 0.044715) * c, c, V(1));
    return fma(c * (e / (d * d)), du, select(c > V(0), V(1), e) / d);
  }
};

struct GeluExact : RectifierEntry {
  static constexpr const char* name = "gelu_exact";
  static constexpr const char* formula = "x Phi(x), Phi the normal distribution function";
  static constexpr const char* derivative_formula = "Phi(x) + x phi(x)";
  static constexpr const char* source = "arXiv 1606.08415";
  static constexpr bool in_double = true;
  template <class V> LAMINA_INLINE V value(V x) const { return gated(x, simd::normal_cdf(x)); }
  template <class V> LAMINA_INLINE V derivative(V x) const {
    const V c = clip(x, -100, 100);
    return fma(c, simd::normal_pdf(c), simd::normal_cdf(c));
  }
};

struct Silu : RectifierEntry {
  static constexpr const char* name = "silu";
  static constexpr std::array<const char*, 1> aliases{"swish"};
  static constexpr const char* formula = "x / (1 + exp(-x))";
  static constexpr const char* derivative_formula = "s (1 + x (1 - s)), s = 1 / (1 + exp(-x))";
  static constexpr const char* source = "arXiv 1702.03118";
  static constexpr bool in_double = true;  // x times a subnormal logistic would lose its digits
  template <class V> LAMINA_INLINE V value(V x) const { return gated(x, logistic(x)); }
  template <class V> LAMINA_INLINE V derivative(V x) const {
    const V c = clip(x, -1000, 1000), e = exp(-abs(c)), d = V(1) + e;
    return fma(c, e / (d * d), select(c > V(0), V(1), e) / d);
  }
};

struct Mish : RectifierEntry {
  static constexpr const char* name = "mish";
  static constexpr const char* formula = "x tanh(log(1 + exp(x)))";
  static constexpr const char* derivative_formula = "t + x (1 - t^2) / (1 + exp(-x)), t = tanh(log(1 + exp(x)))";
  static constexpr const char* source = "arXiv 1908.08681";
  static constexpr bool in_double = true;
  // With e = exp(x) and n = e (e + 2): t = n / (n + 2), and 1 - t^2 = 4 (n + 1) / (n + 2)^2.
  template <class V> LAMINA_INLINE V value(V x) const {
    const V e = exp(min(V(40), x)), n = e * (e + V(2));
    return gated(x, n / (n + V(2)));
  }
  template <class V> LAMINA_INLINE V derivative(V x) const {
    const V c = clip(x, -1000, 40), e = exp(c), n = e * (e + V(2)), q = V(1) / (n + V(2));
    return fma(c * e * (e + V(1)), V(4) * q * q, n * q);
  }
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
  // (x + root) / 2 = max(0, x) + b / 2 / (|x| + root), which does not cancel for x < 0; likewise the derivative.
  template <class V> LAMINA_INLINE V value(V x) const {
    const V a = abs(x);
    return max(V(0), x) + constant<V>(b / 2) / (a + root(a));
  }
  template <class V> LAMINA_INLINE V derivative(V x) const {
    const V a = abs(x), r = root(a), left = constant<V>(b / 2) / (a + r) / r;
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

/// The slope of a unit before anything is learned or drawn: its parity, where learned slopes start from, or the mean of
/// random ones, which inference uses; 0 where there are no slopes.
template <class T> T slope_at_start(const Activation& f, Index unit) {
  return std::visit([&](const auto& a) { return static_cast<T>(a.start_slope(unit)); }, f);
}

}  // namespace lamina
