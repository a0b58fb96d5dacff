/// First-order optimizers: one struct each, then the list. An optimizer is a rule for one parameter, applied lane by
/// lane in one pass over the flat arena: `update(w, g, slots, constants)` changes w and its slots. Constants of a step
/// (bias corrections and the like) are computed once a step, in double, by `constants(state)`.
#pragma once

#include "core/registry.hpp"
#include "core/types.hpp"
#include "kernels/simd.hpp"

namespace lamina {

/// What an optimizer remembers beside its slots; saved and resumed with them.
struct OptimizerState {
  std::int64_t step = 0;  ///< steps taken, this one included
  double power1 = 1.0;    ///< beta1^step (NAdam: the product of its momenta)
  double power2 = 1.0;    ///< beta2^step
  double power3 = 1.0;    ///< NAdam: 0.96^(step * momentum_decay)
  double rate = 0.0;      ///< learning rate of this step, after the schedule
};

struct OptimizerEntry : Entry {
  static constexpr int slots = 0;
  /// Whether the rule reads the sign of last step's gradient rather than its size; such rules want full batches.
  static constexpr bool full_batch = false;
  /// Decoupled decay of weights (never biases, gains or slopes), AdamW's.
  double decoupled_decay() const { return 0.0; }
  /// What a slot holds before the first step.
  double initial_slot(int) const { return 0.0; }
  void advance(OptimizerState& s) const { ++s.step; }
};

namespace optimizer {

using simd::fma;
using simd::select;
using simd::sqrt;

inline constexpr const char* rate_doc = "learning rate";

/// Constants of a step, from an optimizer.
struct Constants {
  double a = 0, b = 0, c = 0, d = 0, e = 0;
};
/// The same as lanes, for its update.
template <class V> struct ConstantLanes {
  using T = typename V::Scalar;
  explicit ConstantLanes(const Constants& k)
      : a(static_cast<T>(k.a)),
        b(static_cast<T>(k.b)),
        c(static_cast<T>(k.c)),
        d(static_cast<T>(k.d)),
        e(static_cast<T>(k.e)) {}
  V a, b, c, d, e;
};

struct SGD : OptimizerEntry {
  static constexpr const char* name = "SGD";
  static constexpr const char* formula = "v <- momentum v - lr g; w <- w + v (nesterov: w + momentum v - lr g)";
  static constexpr const char* source = "course notes, w(k+1) = w(k) - mu grad; Sutskever et al., ICML 2013";
  static constexpr int slots = 1;
  double lr = 0.01, momentum = 0.0;
  bool nesterov = false;
  static constexpr auto fields() {
    return std::tuple{Field{"lr", &SGD::lr, rate_doc, Bounds::above(0)},
                      Field{"momentum", &SGD::momentum, "share of the last step kept", Bounds::from_below(0, 1)},
                      Field{"nesterov", &SGD::nesterov, "look ahead along the momentum"}};
  }
  Constants constants(const OptimizerState& s) const {
    return {s.rate, momentum, nesterov ? momentum : 1.0, nesterov ? s.rate : 0.0};
  }
  template <class V, class C> LAMINA_INLINE V update(V w, V g, V* slot, const C& k) const {
    slot[0] = fma(k.b, slot[0], -(k.a * g));
    return fma(-k.d, g, fma(k.c, slot[0], w));
  }
};

struct Adam : OptimizerEntry {
  static constexpr const char* name = "Adam";
  static constexpr const char* formula =
      "m <- b1 m + (1-b1) g; v <- b2 v + (1-b2) g^2; w <- w - lr m' / (sqrt(v') + eps)";
  static constexpr const char* source = "arXiv 1412.6980; m' = m / (1 - b1^t), v' = v / (1 - b2^t)";
  static constexpr int slots = 2;
  double lr = 1e-3, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
  static constexpr auto fields() {
    return std::tuple{Field{"lr", &Adam::lr, rate_doc, Bounds::above(0)},
                      Field{"beta1", &Adam::beta1, "decay of the mean of g", Bounds::from_below(0, 1)},
                      Field{"beta2", &Adam::beta2, "decay of the mean of g^2", Bounds::from_below(0, 1)},
                      Field{"epsilon", &Adam::epsilon, "keeps the quotient finite", Bounds::above(0)}};
  }
  void advance(OptimizerState& s) const {
    ++s.step;
    s.power1 *= beta1;
    s.power2 *= beta2;
  }
  // lr m' / (sqrt(v') + eps) = a m / (sqrt(v) + e) with a = lr sqrt(1 - b2^t) / (1 - b1^t), e = eps sqrt(1 - b2^t):
  // one square root and one division a parameter.
  Constants constants(const OptimizerState& s) const {
    const double root = std::sqrt(1 - s.power2);
    return {s.rate * root / (1 - s.power1), 1 - beta1, beta2, 1 - beta2, epsilon * root};
  }
  template <class V, class C> LAMINA_INLINE V update(V w, V g, V* slot, const C& k) const {
    slot[0] = fma(k.b, g - slot[0], slot[0]);
    slot[1] = fma(k.c, slot[1], k.d * g * g);
    return w - k.a * slot[0] / (sqrt(slot[1]) + k.e);
  }
};

struct AdamW : OptimizerEntry {
  static constexpr const char* name = "AdamW";
  static constexpr const char* formula = "w <- w - lr weight_decay w (weights only), then Adam";
  static constexpr const char* source = "arXiv 1711.05101";
  static constexpr int slots = 2;
  double lr = 1e-3, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, weight_decay = 0.01;
  static constexpr auto fields() {
    return std::tuple{
        Field{"lr", &AdamW::lr, rate_doc, Bounds::above(0)},
        Field{"beta1", &AdamW::beta1, "decay of the mean of g", Bounds::from_below(0, 1)},
        Field{"beta2", &AdamW::beta2, "decay of the mean of g^2", Bounds::from_below(0, 1)},
        Field{"epsilon", &AdamW::epsilon, "keeps the quotient finite", Bounds::above(0)},
        Field{"weight_decay", &AdamW::weight_decay, "decoupled decay a step, times lr", Bounds::at_least(0)}};
  }
  Adam adam() const { return {{}, lr, beta1, beta2, epsilon}; }
  double decoupled_decay() const { return weight_decay; }
  void advance(OptimizerState& s) const { adam().advance(s); }
  Constants constants(const OptimizerState& s) const { return adam().constants(s); }
  template <class V, class C> LAMINA_INLINE V update(V w, V g, V* slot, const C& k) const {
    return Adam{}.update(w, g, slot, k);
  }
};

struct NAdam : OptimizerEntry {
  static constexpr const char* name = "NAdam";
  static constexpr const char* formula = "Adam with Nesterov's momentum mu_t = b1 (1 - 0.96^(t momentum_decay) / 2)";
  static constexpr const char* source = "Dozat, ICLR workshop 2016; PyTorch documentation, NAdam";
  static constexpr int slots = 2;
  double lr = 1e-3, beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8, momentum_decay = 4e-3;
  static constexpr auto fields() {
    return std::tuple{
        Field{"lr", &NAdam::lr, rate_doc, Bounds::above(0)},
        Field{"beta1", &NAdam::beta1, "decay of the mean of g", Bounds::from_below(0, 1)},
        Field{"beta2", &NAdam::beta2, "decay of the mean of g^2", Bounds::from_below(0, 1)},
        Field{"epsilon", &NAdam::epsilon, "keeps the quotient finite", Bounds::above(0)},
        Field{"momentum_decay", &NAdam::momentum_decay, "how fast mu_t nears beta1", Bounds::at_least(0)}};
  }
  double momentum(double decayed) const { return beta1 * (1 - 0.5 * decayed); }
  double decay() const { return std::pow(0.96, momentum_decay); }
  void advance(OptimizerState& s) const {
    ++s.step;
    s.power3 *= decay();
    s.power1 *= momentum(s.power3);
    s.power2 *= beta2;
  }
  Constants constants(const OptimizerState& s) const {
    const double now = momentum(s.power3), next = momentum(s.power3 * decay());
    const double root = std::sqrt(1 - s.power2);
    return {s.rate * (1 - now) / (1 - s.power1) * root, s.rate * next / (1 - s.power1 * next) * root, epsilon * root,
            beta1, beta2};
  }
  template <class V, class C> LAMINA_INLINE V update(V w, V g, V* slot, const C& k) const {
    slot[0] = fma(k.d, slot[0] - g, g);
    slot[1] = fma(k.e, slot[1] - g * g, g * g);
    return w - (k.a * g + k.b * slot[0]) / (sqrt(slot[1]) + k.c);
  }
};

struct RMSprop : OptimizerEntry {
  static constexpr const char* name = "RMSprop";
  static constexpr const char* formula = "s <- rho s + (1 - rho) g^2; w <- w - lr g / (sqrt(s) + eps)";
  static constexpr const char* source = "Tieleman and Hinton, Coursera lecture 6.5 (2012)";
  static constexpr int slots = 1;
  double lr = 1e-3, rho = 0.9, epsilon = 1e-8;
  static constexpr auto fields() {
    return std::tuple{Field{"lr", &RMSprop::lr, rate_doc, Bounds::above(0)},
                      Field{"rho", &RMSprop::rho, "decay of the mean of g^2", Bounds::from_below(0, 1)},
                      Field{"epsilon", &RMSprop::epsilon, "keeps the quotient finite", Bounds::above(0)}};
  }
  Constants constants(const OptimizerState& s) const { return {s.rate, rho, 1 - rho, epsilon}; }
  template <class V, class C> LAMINA_INLINE V update(V w, V g, V* slot, const C& k) const {
    slot[0] = fma(k.b, slot[0], k.c * g * g);
    return w - k.a * g / (sqrt(slot[0]) + k.d);
  }
};

struct Adagrad : OptimizerEntry {
  static constexpr const char* name = "Adagrad";
  static constexpr const char* formula = "s <- s + g^2; w <- w - lr g / (sqrt(s) + eps)";
  static constexpr const char* source = "Duchi, Hazan and Singer, JMLR 12 (2011)";
  static constexpr int slots = 1;
  double lr = 1e-2, epsilon = 1e-10;
  static constexpr auto fields() {
    return std::tuple{Field{"lr", &Adagrad::lr, rate_doc, Bounds::above(0)},
                      Field{"epsilon", &Adagrad::epsilon, "keeps the quotient finite", Bounds::above(0)}};
  }
  Constants constants(const OptimizerState& s) const { return {s.rate, epsilon}; }
  template <class V, class C> LAMINA_INLINE V update(V w, V g, V* slot, const C& k) const {
    slot[0] = fma(g, g, slot[0]);
    return w - k.a * g / (sqrt(slot[0]) + k.b);
  }
};

struct Rprop : OptimizerEntry {
  static constexpr const char* name = "Rprop";
  static constexpr const char* formula =
      "step d grows where the sign of g stays, shrinks where it turns; w <- w - sign(g) d";
  static constexpr const char* source = "Igel and Huesken, iRprop-, Neurocomputing 50 (2003)";
  static constexpr int slots = 2;
  static constexpr bool full_batch = true;
  double lr = 0.01, eta_minus = 0.5, eta_plus = 1.2, min_step = 1e-6, max_step = 50.0;
  static constexpr auto fields() {
    return std::tuple{Field{"lr", &Rprop::lr, "the first step of every weight", Bounds::above(0)},
                      Field{"eta_minus", &Rprop::eta_minus, "factor where the sign turns", Bounds::between(0, 1)},
                      Field{"eta_plus", &Rprop::eta_plus, "factor where the sign stays", Bounds::at_least(1)},
                      Field{"min_step", &Rprop::min_step, "least step", Bounds::above(0)},
                      Field{"max_step", &Rprop::max_step, "largest step", Bounds::above(0)}};
  }
  double initial_slot(int slot) const { return slot == 1 ? lr : 0.0; }
  Constants constants(const OptimizerState&) const { return {eta_minus, eta_plus, min_step, max_step}; }
  // Slot 0: the previous gradient, zero after a turn; slot 1: the step.
  template <class V, class C> LAMINA_INLINE V update(V w, V g, V* slot, const C& k) const {
    const V agreement = g * slot[0];
    const V grown = simd::min(slot[1] * k.b, k.d), shrunk = simd::max(slot[1] * k.a, k.c);
    slot[1] = select(agreement > V(0), grown, select(agreement < V(0), shrunk, slot[1]));
    slot[0] = select(agreement < V(0), V(0), g);
    return w - select(slot[0] > V(0), slot[1], select(slot[0] < V(0), -slot[1], slot[0]));
  }
};

struct Quickprop : OptimizerEntry {
  static constexpr const char* name = "Quickprop";
  static constexpr const char* formula =
      "jump to the minimum of the parabola through two slopes, at most mu times the last step";
  static constexpr const char* source = "Fahlman, CMU-CS-88-162 (1988)";
  static constexpr int slots = 2;
  static constexpr bool full_batch = true;
  double lr = 0.01, mu = 2.0, decay = 0.0;
  static constexpr auto fields() {
    return std::tuple{Field{"lr", &Quickprop::lr, "epsilon, the rate of the gradient term", Bounds::above(0)},
                      Field{"mu", &Quickprop::mu, "largest growth of a step", Bounds::above(0)},
                      Field{"decay", &Quickprop::decay, "weight decay added to the slope", Bounds::at_least(0)}};
  }
  Constants constants(const OptimizerState& s) const { return {s.rate, mu, mu / (1 + mu), decay}; }
  // Slot 0: the previous slope; slot 1: the last step. The case d > 0 is the mirror image of d < 0.
  template <class V, class C> LAMINA_INLINE V update(V w, V g, V* slot, const C& k) const {
    const V s = fma(k.d, w, g), d = slot[1];
    const V side = select(d > V(0), V(-1), V(1));
    const V ms = side * s, mp = side * slot[0], md = side * d;
    const V quadratic = select(ms >= k.c * mp, k.b * md, md * ms / (mp - ms));
    const V moved = select(ms > V(0), -k.a * ms, V(0)) + quadratic;
    slot[1] = select(d == V(0), -k.a * s, side * moved);
    slot[0] = s;
    return w + slot[1];
  }
};

}  // namespace optimizer

/// Every first-order optimizer there is.
using Optimizer = std::variant<optimizer::SGD, optimizer::Adam, optimizer::AdamW, optimizer::NAdam, optimizer::RMSprop,
                               optimizer::Adagrad, optimizer::Rprop, optimizer::Quickprop>;

inline int slots_of(const Optimizer& o) {
  return std::visit([](const auto& e) { return e.slots; }, o);
}
inline double rate_of(const Optimizer& o) {
  return std::visit([](const auto& e) { return e.lr; }, o);
}

/// L1 and L2 penalties on weights: their gradient is l1 sign(w) + 2 l2 w (K = loss + beta sum |w|^p of the course).
struct PenaltyStrength {
  double l1 = 0.0, l2 = 0.0;
  bool active() const { return l1 != 0.0 || l2 != 0.0; }
};

/// What a step of the optimizer needs to know beside parameters, gradient and slots, the same for all parameters.
struct StepConstants {
  optimizer::Constants rule;
  double keep = 1;  ///< what decoupled decay leaves of a weight

  StepConstants() = default;
  /// After `advance` and the setting of the rate.
  StepConstants(const Optimizer& optimizer, const OptimizerState& state) {
    std::visit(
        [&](const auto& o) {
          rule = o.constants(state);
          keep = 1 - state.rate * o.decoupled_decay();
        },
        optimizer);
  }
};

/// One step on n parameters: the gradient is scaled, the penalty added, then the rule applied, in one pass. `slot[i]`
/// points to the n elements of slot i. Decay and penalty act only when `is_weight`.
template <class T>
void optimizer_step(const Optimizer& optimizer, const StepConstants& step, T* w, const T* g, T* const* slot, Index n,
                    T gradient_scale, PenaltyStrength penalty, bool is_weight);

}  // namespace lamina
