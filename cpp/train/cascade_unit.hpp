/// What trains one unit of a cascade: its pass over all patterns, its correlation with the errors and the gradient
/// of that, and the descent and patience of a phase.
#pragma once

#include <cmath>

#include "math/activate.hpp"
#include "math/optimizers.hpp"
#include "train/cascade.hpp"
#include "train/cascade_patterns.hpp"

namespace lamina::cascade {

/// The errors that the outputs leave, which candidates learn: E, (outputs, patterns), padded with zeros.
template <class T> class Residuals {
 public:
  /// Of patterns that count as `weights` says (empty: once each).
  Residuals(Index outputs, Index patterns, const Vector<const T>& weights)
      : outputs_(outputs), patterns_(patterns), rows_(1 + outputs, patterns) {
    load_weights<T>(weights, patterns, row(under_counts(), 0));
    weight_ = total_of<T>(counts());
  }
  /// How many patterns there are, as they count.
  double weight() const { return weight_; }
  /// E to be filled; c (E - mean E) after `centre`.
  Matrix<T> errors() { return under_counts().at_rows({1, 1 + outputs_}); }
  Matrix<const T> errors() const { return under_counts().at_rows({1, 1 + outputs_}); }
  /// The errors under the row of the counts c, which is 0 in the padding: V's sum comes with its covariances.
  Matrix<const T> under_counts() const { return rows_.top(1 + outputs_); }
  Vector<const T> counts() const { return row(under_counts(), 0); }
  /// The sum of c E^2 before `centre`.
  double squares() const { return squares_; }

  /// Makes every row of E have mean 0, and every error count as often as its pattern.
  void centre() {
    squares_ = 0;
    const Vector<const T> c = counts().at({0, patterns_});
    for (Index o = 0; o < outputs_; ++o) {
      Vector<T> e = row(errors(), o).at({0, patterns_});
      double sum = 0;
      for (Index p = 0; p < patterns_; ++p) {
        const auto v = static_cast<double>(e(p)), cv = static_cast<double>(c(p)) * v;
        sum += cv;
        squares_ += cv * v;
      }
      e = c * (e - static_cast<T>(sum / weight_));
    }
  }

 private:
  Matrix<T> under_counts() { return rows_.top(1 + outputs_); }

  Index outputs_, patterns_;
  PatternRows<T> rows_;
  double weight_ = 0, squares_ = 0;
};

/// A unit over all patterns, in memory that serves one unit after another.
template <class T> class Unit {
 public:
  /// Without outputs it has no room to be trained.
  explicit Unit(Index patterns, Index outputs = 0)
      : covariance(outputs),
        z_(padded(patterns)),
        v_(padded(patterns)),
        delta_(padded(patterns)),
        slopes_(block),
        sigma_(outputs),
        sums_(1 + outputs) {}

  /// Becomes the unit at `position` of a cascade: its slope is parity, or where a learned or random one starts.
  void become(const Activation& f, Index position) {
    f_ = &f;
    slopes_.vector().setConstant(slope_at_start<T>(f, position));
  }

  /// v = f(w X).
  void run(const Vector<const T>& w, const Matrix<const T>& sources) {
    for_blocks(sources.cols(), [&](Range p) {
      const Vector<T> z = z_.vector().at(p);
      weighted_sum<T>(w, sources.at_columns(p), z);
      activate<T>(*f_, {as_row(z), as_row(v_.vector().at(p)), {}, slopes(p)});
    });
  }
  Vector<const T> v() const { return v_.vector(); }

  /// S / sum E^2, of the last run. The covariances need no mean of V, since the errors' are 0.
  double correlate(const Residuals<T>& r) {
    const Matrix<const T> errors = r.under_counts();
    const Vector<const T> counts = r.counts();
    double squares = 0;
    sums_.vector().setZero();
    for_blocks(counts.size(), [&](Range p) { add_products<T>(errors.at_columns(p), v().at(p), sums_.vector()); });
    mean_ = static_cast<T>(sums_[0] / r.weight());
    for_blocks(counts.size(), [&](Range p) { squares += squares_about<T>(mean_, v().at(p), counts.at(p)); });
    deviation = std::max(1.0, std::sqrt(squares / r.weight()));
    double score = 0;
    for (Index o = 0; o < covariance.size(); ++o) {
      covariance[o] = sums_[1 + o] / deviation;
      score += std::abs(covariance[o]) / r.squares();
    }
    s_ = score * r.squares();
    return score;
  }

  /// dS/dw, of the last correlation: dS/dV = sum_o sigma_o c E_o, and where V is divided by its deviation s,
  /// (sum_o sigma_o c E_o) / s - S c (V - mean) / (s^2 sum c).
  Vector<const double> differentiate(const Residuals<T>& r, const Matrix<const T>& sources) {
    for (Index o = 0; o < sigma_.size(); ++o) sigma_[o] = static_cast<T>((covariance[o] > 0) - (covariance[o] < 0));
    const double s = deviation;
    const T share = static_cast<T>(1 / s), growth = static_cast<T>(s_ / (s * s * r.weight()));
    gradient_.reserve(sources.rows());
    Vector<double> gradient = gradient_.vector().at({0, sources.rows()});
    gradient.setZero();
    for_blocks(sources.cols(), [&](Range p) {
      Vector<T> delta = delta_.vector().at(p);
      weighted_sum<T>(sigma_.vector(), r.errors().at_columns(p), delta);
      if (s > 1) delta = share * delta - growth * (r.counts().at(p) * (v().at(p) - mean_));
      multiply_derivative<T>(*f_, as_row(z_.vector().at(p)), as_row(v().at(p)), as_row(delta), slopes(p));
      add_products<T>(sources.at_columns(p), delta, gradient);
    });
    return gradient;
  }

  /// Memory for `n` values, free between the runs of units.
  Vector<T> memory(Index n) { return delta_.vector().at({0, n}); }

  Arena<double> covariance;  ///< by output, over the deviation
  double deviation = 1;      ///< of V, at least 1

 private:
  Matrix<const T> slopes(Range p) const { return {slopes_.data(), 1, p.size(), 0}; }

  const Activation* f_ = nullptr;
  Arena<T> z_, v_, delta_, slopes_, sigma_;
  Arena<double> gradient_, sums_;
  T mean_ = 0;
  double s_ = 0;  ///< S
};

/// One weight vector under quickprop or Rprop, remembered at its best score.
template <class T> class Descent {
 public:
  Descent(Index n, const CascadeOptions& o, double rate) : w(n), best(n), g_(n), slots_{Arena<T>(n), Arena<T>(n)} {
    if (o.rprop) rule_ = optimizer::Rprop{};
    else rule_ = optimizer::Quickprop{{}, rate, o.mu, o.decay};
    running_ = running(rule_);
    const double start = std::visit([](const auto& r) { return r.initial_slot(1); }, rule_);
    slots_[1].vector().setConstant(static_cast<T>(start));
  }
  /// One step against scale * gradient.
  void step(double scale, const Vector<const double>& gradient) {
    for (Index i = 0; i < w.size(); ++i) g_[i] = static_cast<T>(scale * gradient.data()[i]);
    T* slots[] = {slots_[0].data(), slots_[1].data()};
    advance(running_, rate_of(rule_));
    optimizer_step<T>(running_, {w.data(), g_.data(), slots, w.size()});
  }
  void keep() { best.copy_from(w); }

  Arena<T> w, best;

 private:
  Arena<T> g_, slots_[2];
  Optimizer rule_;
  RunningOptimizer running_;
};

/// Whether a phase is over: the score has moved too little for too long.
class Patience {
 public:
  explicit Patience(const PhaseLimits& limits) : limits_(limits), quit_(limits.patience) {}
  bool ended(Index epoch, double score) {
    if (std::abs(score - last_) > limits_.threshold * last_) {
      last_ = score;
      quit_ = epoch + limits_.patience;
    }
    return epoch >= quit_ || epoch >= limits_.epochs;
  }

 private:
  PhaseLimits limits_;
  Index quit_;
  double last_ = 0;
};

}  // namespace lamina::cascade
