/// First-order optimizers: one struct each, then the list. An optimizer is a rule for one parameter, applied lane by
/// lane in one pass over the flat arena. Its struct has
/// - `slots`: how many numbers it keeps for each parameter, at least one;
/// - `State`: numbers that it remembers from step to step, beside its slots. They are described by fields, from which
///   saving and the bindings follow;
/// - `Constants<N>`: what its formula needs in a step, the same for all parameters: computed once a step, in double, by
///   `constants(state, rate)` after `advance(state)`, and handed to the formula as lanes;
/// - `update(w, g, slots, k)`: the formula, which gives the new w and changes the slots.
#pragma once

#include <algorithm>
#include <optional>

#include "core/registry.hpp"
#include "core/types.hpp"
#include "kernels/elementary.hpp"

namespace lamina {

struct OptimizerEntry : Entry {
  /// Whether the rule compares one gradient with the next, so that only batches of all samples make sense of it.
  static constexpr bool full_batch = false;
  /// Whether a step is proportional to the learning rate, which parameters may then have times a factor of their own.
  static constexpr bool by_rate = true;
  /// Whether there is a decoupled decay, be it 0: what factors and a schedule of it are for.
  static constexpr bool decays = false;
  /// Nothing beside the slots.
  struct State {
    static constexpr std::tuple<> fields() { return {}; }
  };
  void advance(State&) const {}
  /// Decoupled decay of weights (never biases, gains or slopes), AdamW's: a step leaves 1 - rate * decay of a weight.
  double decoupled_decay() const { return 0.0; }
  /// What a slot holds before the first step.
  double initial_slot(int) const { return 0.0; }
};

namespace optimizer {

using simd::fma;
using simd::select;
using simd::sqrt;

inline constexpr const char* rate_doc = "learning rate";

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
  template <class N> struct Constants {
    N rate, momentum;
    N of_velocity, of_gradient;  ///< what w moves by: nesterov's momentum v - lr g, or v alone
  };
  Constants<double> constants(const State&, double rate) const {
    return {rate, momentum, nesterov ? momentum : 1.0, nesterov ? rate : 0.0};
  }
  template <class V> static LAMINA_INLINE V update(V w, V g, V (&slot)[slots], const Constants<V>& k) {
    auto& [v] = slot;
    v = fma(k.momentum, v, -(k.rate * g));
    return fma(-k.of_gradient, g, fma(k.of_velocity, v, w));
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
  struct State {
    double beta1_power = 1, beta2_power = 1;
    static constexpr auto fields() {
      return std::tuple{Field{"beta1_power", &State::beta1_power, "b1^t after t steps"},
                        Field{"beta2_power", &State::beta2_power, "b2^t"}};
    }
  };
  void advance(State& s) const {
    s.beta1_power *= beta1;
    s.beta2_power *= beta2;
  }
  template <class N> struct Constants {
    N rate, epsilon;  ///< with the bias corrections in them
    N one_minus_beta1, beta2, one_minus_beta2;
  };
  // lr m' / (sqrt(v') + eps) = lr c / (1 - b1^t) m / (sqrt(v) + c eps), c = sqrt(1 - b2^t): one square root and one
  // division a parameter.
  Constants<double> constants(const State& s, double rate) const {
    const double c = std::sqrt(1 - s.beta2_power);
    return {rate * c / (1 - s.beta1_power), epsilon * c, 1 - beta1, beta2, 1 - beta2};
  }
  template <class V> static LAMINA_INLINE V update(V w, V g, V (&slot)[slots], const Constants<V>& k) {
    auto& [m, v] = slot;
    m = fma(k.one_minus_beta1, g - m, m);
    v = fma(k.beta2, v, k.one_minus_beta2 * g * g);
    return w - k.rate * m / (sqrt(v) + k.epsilon);
  }
};

struct AdamW : Adam {
  static constexpr const char* name = "AdamW";
  static constexpr const char* formula = "w <- w - lr weight_decay w (weights only), then Adam";
  static constexpr const char* source = "arXiv 1711.05101";
  double weight_decay = 0.01;
  static constexpr auto fields() {
    return std::tuple_cat(Adam::fields(), std::tuple{Field{"weight_decay", &AdamW::weight_decay,
                                                           "decoupled decay a step, times lr", Bounds::at_least(0)}});
  }
  static constexpr bool decays = true;
  double decoupled_decay() const { return weight_decay; }
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
  struct State {
    double momentum_product = 1, beta2_power = 1, decay_power = 1;
    static constexpr auto fields() {
      return std::tuple{Field{"momentum_product", &State::momentum_product, "mu_1 mu_2 ... mu_t after t steps"},
                        Field{"beta2_power", &State::beta2_power, "b2^t"},
                        Field{"decay_power", &State::decay_power, "0.96^(t momentum_decay)"}};
    }
  };
  double decay() const { return simd::power(0.96, momentum_decay); }
  double momentum(double decay_power) const { return beta1 * (1 - 0.5 * decay_power); }
  void advance(State& s) const {
    s.decay_power *= decay();
    s.momentum_product *= momentum(s.decay_power);
    s.beta2_power *= beta2;
  }
  template <class N> struct Constants {
    N of_gradient, of_mean, epsilon;  ///< with the rate, the momenta and the bias corrections in them
    N beta1, beta2;
  };
  // The step is lr ((1 - mu_t) g / (1 - mu_1 ... mu_t) + mu_t+1 m / (1 - mu_1 ... mu_t+1)) / (sqrt(v') + eps).
  Constants<double> constants(const State& s, double rate) const {
    const double now = momentum(s.decay_power), next = momentum(s.decay_power * decay());
    const double c = std::sqrt(1 - s.beta2_power);
    return {rate * (1 - now) / (1 - s.momentum_product) * c, rate * next / (1 - s.momentum_product * next) * c,
            epsilon * c, beta1, beta2};
  }
  template <class V> static LAMINA_INLINE V update(V w, V g, V (&slot)[slots], const Constants<V>& k) {
    auto& [m, v] = slot;
    m = fma(k.beta1, m - g, g);
    v = fma(k.beta2, v - g * g, g * g);
    return w - (k.of_gradient * g + k.of_mean * m) / (sqrt(v) + k.epsilon);
  }
};

struct Lion : OptimizerEntry {
  static constexpr const char* name = "Lion";
  static constexpr const char* formula =
      "w <- w - lr (sign(b1 m + (1-b1) g) + weight_decay w) (decay of weights only); m <- b2 m + (1-b2) g";
  static constexpr const char* source = "arXiv 2302.06675";
  static constexpr int slots = 1;
  double lr = 1e-4, beta1 = 0.9, beta2 = 0.99, weight_decay = 0.0;
  static constexpr auto fields() {
    return std::tuple{
        Field{"lr", &Lion::lr, rate_doc, Bounds::above(0)},
        Field{"beta1", &Lion::beta1, "share of the mean of g in the step", Bounds::from_below(0, 1)},
        Field{"beta2", &Lion::beta2, "decay of the mean of g", Bounds::from_below(0, 1)},
        Field{"weight_decay", &Lion::weight_decay, "decoupled decay a step, times lr", Bounds::at_least(0)}};
  }
  static constexpr bool decays = true;
  double decoupled_decay() const { return weight_decay; }
  template <class N> struct Constants {
    N rate, one_minus_beta1, one_minus_beta2;
  };
  Constants<double> constants(const State&, double rate) const { return {rate, 1 - beta1, 1 - beta2}; }
  template <class V> static LAMINA_INLINE V update(V w, V g, V (&slot)[slots], const Constants<V>& k) {
    auto& [m] = slot;
    const V c = fma(k.one_minus_beta1, g - m, m);
    m = fma(k.one_minus_beta2, g - m, m);
    return w - select(c > V(0), k.rate, select(c < V(0), -k.rate, c));
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
  template <class N> struct Constants {
    N rate, rho, one_minus_rho, epsilon;
  };
  Constants<double> constants(const State&, double rate) const { return {rate, rho, 1 - rho, epsilon}; }
  template <class V> static LAMINA_INLINE V update(V w, V g, V (&slot)[slots], const Constants<V>& k) {
    auto& [s] = slot;
    s = fma(k.rho, s, k.one_minus_rho * g * g);
    return w - k.rate * g / (sqrt(s) + k.epsilon);
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
  template <class N> struct Constants {
    N rate, epsilon;
  };
  Constants<double> constants(const State&, double rate) const { return {rate, epsilon}; }
  template <class V> static LAMINA_INLINE V update(V w, V g, V (&slot)[slots], const Constants<V>& k) {
    auto& [s] = slot;
    s = fma(g, g, s);
    return w - k.rate * g / (sqrt(s) + k.epsilon);
  }
};

struct Rprop : OptimizerEntry {
  static constexpr const char* name = "Rprop";
  static constexpr const char* formula =
      "step d grows where the sign of g stays, shrinks where it turns; w <- w - sign(g) d";
  static constexpr const char* source = "Igel and Huesken, iRprop-, Neurocomputing 50 (2003)";
  static constexpr int slots = 2;
  static constexpr bool full_batch = true;
  static constexpr bool by_rate = false;
  double lr = 0.01, eta_minus = 0.5, eta_plus = 1.2, min_step = 1e-6, max_step = 50.0;
  static constexpr auto fields() {
    return std::tuple{Field{"lr", &Rprop::lr, "the first step of every weight", Bounds::above(0)},
                      Field{"eta_minus", &Rprop::eta_minus, "factor where the sign turns", Bounds::between(0, 1)},
                      Field{"eta_plus", &Rprop::eta_plus, "factor where the sign stays", Bounds::at_least(1)},
                      Field{"min_step", &Rprop::min_step, "least step", Bounds::above(0)},
                      Field{"max_step", &Rprop::max_step, "largest step", Bounds::above(0)}};
  }
  double initial_slot(int slot) const { return slot == 1 ? lr : 0.0; }
  template <class N> struct Constants {
    N eta_minus, eta_plus, min_step, max_step;
  };
  Constants<double> constants(const State&, double) const { return {eta_minus, eta_plus, min_step, max_step}; }
  // The slots: the previous gradient, zero after a turn, and the step.
  template <class V> static LAMINA_INLINE V update(V w, V g, V (&slot)[slots], const Constants<V>& k) {
    auto& [before, d] = slot;
    const V agreement = g * before;
    const V grown = simd::min(d * k.eta_plus, k.max_step), shrunk = simd::max(d * k.eta_minus, k.min_step);
    d = select(agreement > V(0), grown, select(agreement < V(0), shrunk, d));
    before = select(agreement < V(0), V(0), g);
    return w - select(before > V(0), d, select(before < V(0), -d, before));
  }
};

struct Quickprop : OptimizerEntry {
  static constexpr const char* name = "Quickprop";
  static constexpr const char* formula =
      "jump to the minimum of the parabola through two slopes, at most mu times the last step";
  static constexpr const char* source = "Fahlman, CMU-CS-88-162 (1988)";
  static constexpr int slots = 2;
  static constexpr bool full_batch = true;
  static constexpr bool by_rate = false;
  double lr = 0.01, mu = 2.0, decay = 0.0;
  static constexpr auto fields() {
    return std::tuple{Field{"lr", &Quickprop::lr, "epsilon, the rate of the gradient term", Bounds::above(0)},
                      Field{"mu", &Quickprop::mu, "largest growth of a step", Bounds::above(0)},
                      Field{"decay", &Quickprop::decay, "weight decay added to the slope", Bounds::at_least(0)}};
  }
  template <class N> struct Constants {
    N rate, mu, shrink, decay;
  };
  Constants<double> constants(const State&, double rate) const { return {rate, mu, mu / (1 + mu), decay}; }
  // The slots: the previous slope and the last step. The case d > 0 is the mirror image of d < 0.
  template <class V> static LAMINA_INLINE V update(V w, V g, V (&slot)[slots], const Constants<V>& k) {
    auto& [before, d] = slot;
    const V s = fma(k.decay, w, g);
    const V side = select(d > V(0), V(-1), V(1));
    const V ms = side * s, mp = side * before, md = side * d;
    const V quadratic = select(ms >= k.shrink * mp, k.mu * md, md * ms / (mp - ms));
    const V moved = select(ms > V(0), -k.rate * ms, V(0)) + quadratic;
    d = select(d == V(0), -k.rate * s, side * moved);
    before = s;
    return w + d;
  }
};

}  // namespace optimizer

/// Every first-order optimizer there is.
using Optimizer = std::variant<optimizer::SGD, optimizer::Adam, optimizer::AdamW, optimizer::NAdam, optimizer::Lion,
                               optimizer::RMSprop, optimizer::Adagrad, optimizer::Rprop, optimizer::Quickprop>;

template <class Variant> inline constexpr int most_slots_of = 0;
template <class... Rule> inline constexpr int most_slots_of<std::variant<Rule...>> = std::max({Rule::slots...});
/// The most slots that any optimizer has.
inline constexpr int most_slots = most_slots_of<Optimizer>;

inline int slots_of(const Optimizer& o) {
  return std::visit([](const auto& e) { return e.slots; }, o);
}
inline bool steps_by_rate(const Optimizer& o) {
  return std::visit([](const auto& e) { return e.by_rate; }, o);
}
inline bool has_decay(const Optimizer& o) {
  return std::visit([](const auto& e) { return e.decays; }, o);
}
inline double rate_of(const Optimizer& o) {
  return std::visit([](const auto& e) { return e.lr; }, o);
}

/// L1 and L2 penalties on weights: their gradient is l1 sign(w) + 2 l2 w (K = loss + beta sum |w|^p of the course).
struct PenaltyStrength {
  static constexpr const char* name = "the penalty";
  static constexpr int required = 0;
  double l1 = 0.0, l2 = 0.0;
  static constexpr auto fields() {
    return std::tuple{Field{"l1", &PenaltyStrength::l1, "strength of sum |w|", Bounds::at_least(0)},
                      Field{"l2", &PenaltyStrength::l2, "strength of sum w^2", Bounds::at_least(0)}};
  }
  void check() const {}
  bool active() const { return l1 != 0.0 || l2 != 0.0; }
};

/// By how much the learning rate and the decoupled decay of a parameter differ from those of the others.
struct Factors {
  double rate = 1;   ///< 0: frozen
  double decay = 1;  ///< of weights; usually 0 for all else
  bool operator==(const Factors& other) const { return rate == other.rate && decay == other.decay; }
};

/// A rule on its way: what it remembers beside its slots, and the constants of the step that it is taking.
template <class Rule> struct Running {
  Rule rule;
  typename Rule::State state{};
  typename Rule::template Constants<double> constants{};
  double rate = 0;
  double decay = 0;  ///< decoupled decay of this step

  /// Goes on to the next step, whose learning rate is `rate` and whose decay is `decay_factor` times the rule's.
  void advance(double rate_of_step, double decay_factor) {
    rule.advance(state);
    rate = rate_of_step;
    constants = rule.constants(state, rate);
    decay = rule.decoupled_decay() * decay_factor;
  }
  /// The constants for parameters whose rate is `factor` times the others'.
  typename Rule::template Constants<double> constants_at(double factor) const {
    return factor == 1 ? constants : rule.constants(state, rate * factor);
  }
  /// What decoupled decay leaves of a parameter.
  double keep(const Factors& f) const { return 1 - rate * f.rate * (decay * f.decay); }
};

template <class Variant> struct RunningKind;
template <class... Rule> struct RunningKind<std::variant<Rule...>> {
  using type = std::variant<Running<Rule>...>;
};
/// Any optimizer on its way.
using RunningOptimizer = RunningKind<Optimizer>::type;

/// `rule` before its first step; or going on, with its own parameters, from the state that `before` is in: one of the
/// same kind.
RunningOptimizer running(const Optimizer& rule, const RunningOptimizer* before = nullptr);
inline void advance(RunningOptimizer& optimizer, double rate, double decay_factor = 1) {
  std::visit([&](auto& o) { o.advance(rate, decay_factor); }, optimizer);
}

/// Some neighbouring parameters that a step treats alike, with their gradient and slots: slots[i] points to as many
/// elements of slot i.
template <class T> struct ParameterPiece {
  T* w = nullptr;
  const T* gradient = nullptr;
  T* const* slots = nullptr;
  Index size = 0;
  bool is_weight = true;  ///< penalties act on weights alone
  Factors factors{};
};

/// The step that `optimizer` has advanced to, on a piece of the parameters: the gradient is scaled, the penalty added,
/// then the rule applied, in one pass.
template <class T>
void optimizer_step(const RunningOptimizer& optimizer, const ParameterPiece<T>& piece, T gradient_scale = 1,
                    PenaltyStrength penalty = {});

}  // namespace lamina
