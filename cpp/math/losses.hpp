/// Losses: one struct each, then the list. A loss sees the last layer's raw outputs (logits); its link (softmax,
/// logistic, exponential) is part of it, so the gradient with respect to the logits is the fused, stable one.
///
/// An element-wise loss gives `value(y, t)` and `derivative(y, t)` lane by lane, summed over the outputs of a row. A
/// `row_wise` one, whose outputs depend on each other, gives `row` instead, and may add `lanes` for many short rows at
/// once. The loss of a batch is sum_i w_i loss_i / sum_i w_i.
#pragma once

#include <algorithm>
#include <cstdint>
#include <limits>
#include <memory>

#include "core/registry.hpp"
#include "core/types.hpp"
#include "kernels/elementary.hpp"
#include "math/custom.hpp"
#include "math/row_lanes.hpp"
#include "math/target_scale.hpp"

namespace lamina {

/// What turns raw outputs into predictions.
enum class Link { identity, softmax, logistic, exponential };

/// What targets are: any number, non-negative numbers, classes (labels or one-hot rows), or one of two classes for each
/// output.
enum class TargetKind { real, count, classes, binary };

/// Which targets a loss takes. Nothing else knows it: they are checked, encoded and scored by this.
struct TargetDomain {
  static constexpr double infinity = std::numeric_limits<double>::infinity();
  TargetKind kind = TargetKind::real;
  double low = -infinity, high = infinity;  ///< where each number may lie
  bool whole = false;                       ///< whether it must be a whole number
  double border = 0.5;                      ///< binary: a target, or a prediction, above it is of the second class
  const char* text = "be finite";           ///< what targets must do, for messages
  static constexpr auto fields() {
    return std::tuple{Field{"low", &TargetDomain::low, "least target"},
                      Field{"high", &TargetDomain::high, "largest target"},
                      Field{"whole", &TargetDomain::whole, "whether targets are whole numbers"},
                      Field{"border", &TargetDomain::border, "what separates two classes"},
                      Field{"text", &TargetDomain::text, "what targets must do"}};
  }
};

namespace targets {

inline constexpr TargetDomain real{};
inline constexpr TargetDomain count{TargetKind::count, 0, TargetDomain::infinity, false, 0.5, "not be negative"};
inline constexpr TargetDomain classes{
    TargetKind::classes, 0, TargetDomain::infinity, false, 0.5, "hold labels, or one-hot rows that sum to 1,"};
inline constexpr TargetDomain binary{TargetKind::binary, 0, 1, false, 0.5, "lie in [0, 1]"};
/// Two classes of which a margin tells them apart by its sign.
inline constexpr TargetDomain signs{TargetKind::binary, -1, 1, true, 0, "hold 0 or 1 (or -1 or 1)"};

/// Of a loss that says no more than the kind.
constexpr TargetDomain of(TargetKind kind) {
  return kind == TargetKind::count     ? count
         : kind == TargetKind::classes ? classes
         : kind == TargetKind::binary  ? binary
                                       : real;
}

}  // namespace targets

struct LossEntry : Entry {
  static constexpr Link link = Link::identity;
  static constexpr TargetDomain domain = targets::real;
  static constexpr bool row_wise = false;
  static constexpr bool has_lanes = false;  ///< whether a row-wise loss has `lanes` too
};

namespace loss {

using simd::abs;
using simd::select;

template <class V> LAMINA_INLINE V constant(double c) { return V(static_cast<typename V::Scalar>(c)); }

struct SquaredError : LossEntry {
  static constexpr const char* name = "squared_error";
  static constexpr std::array<const char*, 3> aliases{"mse", "mean_squared_error", "l2"};
  static constexpr const char* formula = "1/2 sum_j (t_j - y_j)^2";
  static constexpr const char* source = "course notes, Sketch of the backpropagation";
  template <class V> LAMINA_INLINE V value(V y, V t) const {
    const V e = y - t;
    return constant<V>(0.5) * e * e;
  }
  template <class V> LAMINA_INLINE V derivative(V y, V t) const { return y - t; }
};

struct AbsoluteError : LossEntry {
  static constexpr const char* name = "absolute_error";
  static constexpr std::array<const char*, 3> aliases{"mae", "mean_absolute_error", "l1"};
  static constexpr const char* formula = "sum_j |t_j - y_j|";
  static constexpr const char* source = "least absolute deviations; the subgradient at 0 is 0";
  template <class V> LAMINA_INLINE V value(V y, V t) const { return abs(y - t); }
  template <class V> LAMINA_INLINE V derivative(V y, V t) const {
    const V e = y - t;
    return select(e > V(0), V(1), select(e < V(0), V(-1), e));
  }
};

struct Huber : LossEntry {
  static constexpr const char* name = "huber";
  static constexpr const char* formula = "sum_j e^2 / 2 if |e| <= delta else delta (|e| - delta / 2), e = y_j - t_j";
  static constexpr const char* source = "Huber, Annals of Mathematical Statistics 35 (1964)";
  double delta = 1.0;
  static constexpr auto fields() {
    return std::tuple{Field{"delta", &Huber::delta, "where the square becomes a line", Bounds::above(0)}};
  }
  template <class V> LAMINA_INLINE V value(V y, V t) const {
    const V e = abs(y - t), d = constant<V>(delta), half = constant<V>(0.5);
    return select(e > d, d * (e - half * d), half * e * e);
  }
  template <class V> LAMINA_INLINE V derivative(V y, V t) const {
    const V e = y - t, d = constant<V>(delta);
    return select(e > d, d, select(e < -d, -d, e));
  }
};

struct LogCosh : LossEntry {
  static constexpr const char* name = "log_cosh";
  static constexpr const char* formula = "sum_j log cosh(y_j - t_j)";
  static constexpr const char* source = "arXiv 2208.04564";
  // log cosh e = |e| + log((1 + exp(-2 |e|)) / 2), which does not overflow, or -1/2 log(1 - tanh² e), which does not
  // cancel where e is small; tanh e = q / (q + 2) for q = exp(-2 |e|) - 1, up to the sign.
  template <class V> LAMINA_INLINE V value(V y, V t) const {
    const V e = abs(y - t), half = constant<V>(0.5), q = simd::expm1(V(-2) * e), tanh = q / (q + V(2));
    const auto small = e < V(1);
    const V log = simd::log1p(select(small, -tanh * tanh, half * q));
    return select(small, -half * log, e + log);
  }
  template <class V> LAMINA_INLINE V derivative(V y, V t) const { return simd::tanh(y - t); }
};

struct Quantile : LossEntry {
  static constexpr const char* name = "quantile";
  static constexpr std::array<const char*, 1> aliases{"pinball"};
  static constexpr const char* formula = "sum_j max(q e, (q - 1) e), e = t_j - y_j";
  static constexpr const char* source = "Koenker and Bassett, Econometrica 46 (1978)";
  double q = 0.5;
  static constexpr auto fields() {
    return std::tuple{Field{"q", &Quantile::q, "which quantile to predict", Bounds::between(0, 1)}};
  }
  template <class V> LAMINA_INLINE V value(V y, V t) const {
    const V e = t - y;
    return select(e >= V(0), constant<V>(q) * e, constant<V>(q - 1) * e);
  }
  template <class V> LAMINA_INLINE V derivative(V y, V t) const {
    const V e = t - y;
    return select(e > V(0), constant<V>(-q), select(e < V(0), constant<V>(1 - q), e));
  }
};

struct Poisson : LossEntry {
  static constexpr const char* name = "poisson";
  static constexpr const char* formula = "sum_j exp(y_j) - t_j y_j (y is the logarithm of the rate)";
  static constexpr const char* source = "PyTorch documentation, PoissonNLLLoss";
  static constexpr Link link = Link::exponential;
  static constexpr TargetDomain domain = targets::count;
  template <class V> LAMINA_INLINE V value(V y, V t) const { return simd::exp(y) - t * y; }
  template <class V> LAMINA_INLINE V derivative(V y, V t) const { return simd::exp(y) - t; }
};

struct CrossEntropy : LossEntry {
  static constexpr const char* name = "cross_entropy";
  static constexpr std::array<const char*, 5> aliases{"crossentropy", "softmax_cross_entropy",
                                                      "categorical_cross_entropy", "categorical_crossentropy",
                                                      "sparse_categorical_crossentropy"};
  static constexpr const char* formula = "-sum_j t_j log softmax(y)_j; t <- (1 - s) t + s / outputs";
  static constexpr const char* source = "Bridle 1990; smoothing: arXiv 1512.00567";
  static constexpr Link link = Link::softmax;
  static constexpr TargetDomain domain = targets::classes;
  static constexpr bool row_wise = true;
  static constexpr bool has_lanes = true;
  double label_smoothing = 0.0;
  static constexpr auto fields() {
    return std::tuple{Field{"label_smoothing", &CrossEntropy::label_smoothing,
                            "share s of the target spread evenly over the classes", Bounds::from_below(0, 1)}};
  }

  /// The loss of one row of outputs y with targets `target(j)`; where `gradient` is not null, it gets factor d loss /
  /// dy (it may be y). `e` has room for a row. Of the largest output, whose share of the sum may round to 1, the
  /// gradient is taken from what the others leave of it.
  template <class T, class Target> T row(const T* y, Index n, const Target& target, T factor, T* gradient, T* e) const {
    using Sums = ExpSum<simd::Vec<T, 1>>;
    const T top = exp_shifted(y, e, n);  // softmax(y) = e / sum
    const Sums sums = sum_over_outputs(n, Sums{}, [&](Index j) { return Sums::of(simd::Vec<T, 1>(e[j])); });
    const T log_sum = sums.logarithm()[0];
    const T keep = static_cast<T>(1 - label_smoothing),
            spread = static_cast<T>(label_smoothing / static_cast<double>(n));
    const auto t = [&](Index j) { return keep * target(j) + spread; };
    // 0 log 0 = 0: a class that is certainly absent costs nothing, even at -inf. The difference of outputs comes first:
    // both may be far larger than the loss.
    const T value =
        sum_over_outputs(n, T(0), [&](Index j) { return t(j) != T(0) ? t(j) * (log_sum + (top - y[j])) : T(0); });
    if (gradient) {
      const T whole = target.one_hot ? T(1) : sum_over_outputs(n, T(0), t);
      const T share = whole / sums.sum[0], beyond = sums.beyond_one()[0] * share;
      for (Index j = 0; j < n; ++j) gradient[j] = factor * (e[j] < T(1) ? e[j] * share - t(j) : whole - t(j) - beyond);
    }
    return value;
  }

  /// Whether `lanes` may stand for `row`.
  bool lanes_apply() const { return label_smoothing == 0; }
  /// The same for a row a lane, of labels: the losses, and factor d loss / dy in place of the outputs if
  /// `with_gradient`.
  template <class T>
  LAMINA_INLINE typename RowLanes<T>::V lanes(RowLanes<T>& y, simd::IntVec<T, RowLanes<T>::N> label,
                                              typename RowLanes<T>::V factor, bool with_gradient) const {
    constexpr int N = RowLanes<T>::N;
    using V = typename RowLanes<T>::V;
    using Int = simd::IntVec<T, N>;
    V picked(T(0));
    simd::Bits<T> output = 0;
    for (const T* v = y.at; v < y.end; v += N) picked = select(label == Int(output++), V::load(v), picked);
    const V top = y.top(), one(T(1));
    const ExpSum<V> sums = y.exp_shifted(top);
    if (with_gradient) {
      const V share = one / sums.sum, beyond = sums.beyond_one() * share;
      output = 0;
      for (T* at = y.at; at < y.end; at += N) {
        const V target = select(label == Int(output++), one, V(T(0))), e = V::load(at);
        (factor * select(e < one, e * share - target, one - target - beyond)).store(at);
      }
    }
    return sums.logarithm() + (top - picked);
  }
};

struct BinaryCrossEntropy : LossEntry {
  static constexpr const char* name = "binary_cross_entropy";
  static constexpr std::array<const char*, 3> aliases{"binary_crossentropy", "bce", "bce_with_logits"};
  static constexpr const char* formula =
      "sum_j max(y_j, 0) - t_j y_j + log(1 + exp(-|y_j|)), t_j smoothed: t (1 - label_smoothing) + label_smoothing / 2";
  static constexpr const char* source = "PyTorch documentation, BCEWithLogitsLoss; smoothing: arXiv 1512.00567";
  static constexpr Link link = Link::logistic;
  static constexpr TargetDomain domain = targets::binary;
  double label_smoothing = 0.0;
  static constexpr auto fields() {
    return std::tuple{Field{"label_smoothing", &BinaryCrossEntropy::label_smoothing,
                            "share of a target given to both classes alike", Bounds::from_below(0, 1)}};
  }
  template <class V> LAMINA_INLINE V smoothed(V t) const {
    if (label_smoothing == 0) return t;
    return simd::fma(constant<V>(1 - label_smoothing), t, constant<V>(label_smoothing / 2));
  }
  // Both by the class that y is for: what is left to be paid is small there, and 1 - t exact.
  template <class V> LAMINA_INLINE V value(V y, V target) const {
    const V t = smoothed(target);
    return select(y > V(0), V(1) - t, -t) * y + simd::log1p(simd::exp(-abs(y)));
  }
  template <class V> LAMINA_INLINE V derivative(V y, V target) const {
    const V t = smoothed(target);
    const V other = simd::logistic(-abs(y));
    return select(y > V(0), (V(1) - t) - other, other - t);
  }
};

struct Hinge : LossEntry {
  static constexpr const char* name = "hinge";
  static constexpr const char* formula = "sum_j max(0, 1 - s_j y_j), s_j = 1 if t_j > 0 else -1";
  static constexpr const char* source = "Cortes and Vapnik, Machine Learning 20 (1995); one against the rest";
  static constexpr TargetDomain domain = targets::signs;
  template <class V> LAMINA_INLINE V sign(V t) const { return select(t > V(0), V(1), V(-1)); }
  template <class V> LAMINA_INLINE V value(V y, V t) const { return simd::max(V(0), V(1) - sign(t) * y); }
  template <class V> LAMINA_INLINE V derivative(V y, V t) const {
    const V s = sign(t);
    return select(s * y < V(1), -s, V(0) * y);
  }
};

/// A loss from outside, called a block of rows at a time.
struct Custom : LossEntry {
  static constexpr const char* name = "custom";
  static constexpr const char* formula = "as given";
  static constexpr const char* source = "the caller";
  static constexpr bool listed = false;
  Link link = Link::identity;
  TargetDomain domain = targets::real;
  std::shared_ptr<const CustomLoss> functions;
  std::string label() const { return functions->name; }
};

}  // namespace loss

/// Every loss there is.
using Loss = std::variant<loss::SquaredError, loss::AbsoluteError, loss::Huber, loss::LogCosh, loss::Quantile,
                          loss::Poisson, loss::CrossEntropy, loss::BinaryCrossEntropy, loss::Hinge, loss::Custom>;

template <>
inline constexpr std::array<Elsewhere, 2> elsewhere<Loss>{
    {{"log_loss", "it is 'cross_entropy' for classes of which a row has one, 'binary_cross_entropy' for one output"},
     {"logloss", "it is 'cross_entropy' for classes of which a row has one, 'binary_cross_entropy' for one output"}}};

inline Link link_of(const Loss& l) {
  return std::visit([](const auto& e) { return e.link; }, l);
}
/// An output on its own to what it predicts; `softmax` looks at a whole row (`apply_inverse_link`).
template <class V> LAMINA_INLINE V inverse_link(Link link, V y) {
  return link == Link::logistic ? logistic(y) : link == Link::exponential ? exp(y) : y;
}
inline const TargetDomain& target_domain(const Loss& l) {
  return std::visit([](const auto& e) -> const TargetDomain& { return e.domain; }, l);
}
inline TargetKind targets_of(const Loss& l) { return target_domain(l).kind; }

/// The targets of all samples: class labels (`labels`, one a row) or rows of values, (samples, outputs).
template <class T> struct Targets {
  Matrix<const T> values;
  const std::int32_t* labels = nullptr;
};

/// The samples that rows of outputs belong to: row i's is number index[i], or first + i without an index; of an
/// ensemble every sample has `members` rows, one after another.
template <class T> struct TargetRows {
  Targets<T> targets;
  Vector<const T> weights;  ///< by sample; empty: 1
  const std::int64_t* index = nullptr;
  Index first = 0;
  const TargetScale<T>* scale = nullptr;  ///< how values are learned; null: as they are
  Index members = 1;

  Index sample(Index row) const {
    const Index i = members == 1 ? row : row / members;
    return index ? static_cast<Index>(index[i]) : first + i;
  }
  T weight(Index i) const { return weights.empty() ? T(1) : weights.data()[sample(i)]; }
  /// The values of a row of `outputs` outputs, as they are learned.
  void load(Index row, Index outputs, T* to) const {
    std::copy_n(targets.values.row_data(sample(row)), outputs, to);
    for (Index j = 0; scale && j < outputs; ++j) to[j] = scale->learned(to[j], static_cast<std::size_t>(j));
  }
  /// From the i-th sample on.
  TargetRows from(Index i) const {
    TargetRows rest = *this;
    if (index) rest.index = index + i;
    else rest.first = first + i;
    return rest;
  }
};

/// row_loss_i = w_i loss_i for every row of raw outputs, (rows, outputs), whose rows follow each other without gaps;
/// where `delta` is not empty, delta = w_i scale d loss_i / d outputs. Both are 0 where w_i is, whatever the outputs
/// are. `delta` may be `outputs` itself. The sum over the outputs of a row runs in their order.
template <class T>
void evaluate_loss(const Loss& loss, const Matrix<const T>& outputs, const TargetRows<T>& samples,
                   const Vector<T>& row_loss, T scale, const Matrix<T>& delta);

/// The loss of rows of raw outputs, sum_i w_i loss_i / sum_i w_i, and in `delta`, where it is not empty, its slope by
/// every output.
template <class T>
double mean_loss(const Loss& loss, const Matrix<const T>& outputs, const TargetRows<T>& samples,
                 const Matrix<T>& delta);

/// Raw outputs to predictions, in place: probabilities, rates, or as they are. Rows follow each other without gaps.
template <class T> void apply_inverse_link(Link link, const Matrix<T>& outputs);

}  // namespace lamina
