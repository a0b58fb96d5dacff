/// Metrics: what people choose a model by. One struct each, then the list. A metric looks at predictions, as they are
/// after the loss's link, of all samples at once, and gives one number; the loss need not know it.
///
/// A struct has `greater` (whether more is better), `classes` (whether targets are classes, or numbers),
/// `probabilities` (whether predictions must be), `value(scored)`, and `wants`, of which `has(scored)` says whether the
/// targets have it: without it there is no value. Rows of weight 0 count nowhere, and no prediction is NaN. All sums
/// run over the rows in their order, in double.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "kernels/elementary.hpp"
#include "math/losses.hpp"

namespace lamina {

/// Predictions and the targets they are compared with.
template <class T> struct Scored {
  Matrix<const T> predicted;  ///< (rows, outputs)
  TargetRows<T> rows;
  TargetKind kind = TargetKind::real;
  double border = 0.5;  ///< of binary targets and predictions: above it is the second class

  Index count() const { return predicted.rows(); }
  Index outputs() const { return predicted.cols(); }
  double weight(Index i) const { return static_cast<double>(rows.weight(i)); }
  double prediction(Index i, Index j) const { return static_cast<double>(predicted(i, j)); }
  double target(Index i, Index j) const {
    const Index sample = rows.sample(i);
    if (rows.targets.labels) return rows.targets.labels[sample] == j ? 1 : 0;
    return static_cast<double>(rows.targets.values(sample, j));
  }
  /// Whether a row's class, or all its labels, are predicted.
  bool right(Index i) const {
    if (kind != TargetKind::classes) {
      for (Index j = 0; j < outputs(); ++j) {
        if ((prediction(i, j) > border) != (target(i, j) > border)) return false;
      }
      return true;
    }
    Index best = 0, wanted = 0;
    for (Index j = 1; j < outputs(); ++j) {
      if (prediction(i, j) > prediction(i, best)) best = j;
      if (target(i, j) > target(i, wanted)) wanted = j;
    }
    return best == wanted;
  }
  /// sum_i w_i f(i) / sum_i w_i.
  template <class F> double average(const F& f) const {
    double sum = 0, weights = 0;
    for (Index i = 0; i < count(); ++i) {
      if (weight(i) == 0) continue;  // whatever such a row holds
      sum += weight(i) * f(i);
      weights += weight(i);
    }
    return sum / weights;
  }
  /// The mean over all outputs of `average`.
  template <class F> double average_of_all(const F& f) const {
    return average([&](Index i) {
      double sum = 0;
      for (Index j = 0; j < outputs(); ++j) sum += f(i, j);
      return sum / static_cast<double>(outputs());
    });
  }
};

/// What numbers are divided by so that none of their squares overflows or vanishes: 1 where they are of usual size,
/// else a power of two, which costs no digit.
template <class T> double unit_of(const Scored<T>& s) {
  double largest = 0;
  for (Index i = 0; i < s.count(); ++i) {
    for (Index j = 0; s.weight(i) != 0 && j < s.outputs(); ++j)
      largest = std::max({largest, std::abs(s.target(i, j)), std::abs(s.prediction(i, j))});
  }
  const bool usual = largest == 0 || (largest > 1e-100 && largest < 1e100) || !std::isfinite(largest);
  return usual ? 1 : std::ldexp(1.0, std::ilogb(largest));
}

struct MetricEntry : Entry {
  static constexpr bool greater = false;
  static constexpr bool classes = false;
  static constexpr bool probabilities = false;
  static constexpr const char* wants = "targets";
  template <class T> bool has(const Scored<T>&) const { return true; }
};
struct ClassMetric : MetricEntry {
  static constexpr bool classes = true;
};

namespace metric {

inline double natural_log(double x) { return log(simd::Vec<double, 1>(x))[0]; }

struct Error : ClassMetric {
  static constexpr const char* name = "error";
  static constexpr std::array<const char*, 2> aliases{"error_rate", "misclassification"};
  static constexpr const char* formula = "share of the rows whose class is not the likeliest one";
  static constexpr const char* source = "1 - accuracy; scikit-learn documentation, zero_one_loss";
  template <class T> double value(const Scored<T>& s) const {
    return s.average([&](Index i) { return s.right(i) ? 0.0 : 1.0; });
  }
};

struct Accuracy : ClassMetric {
  static constexpr const char* name = "accuracy";
  static constexpr const char* formula = "share of the rows whose class is the likeliest one";
  static constexpr const char* source = "scikit-learn documentation, accuracy_score";
  static constexpr bool greater = true;
  template <class T> double value(const Scored<T>& s) const {
    return s.average([&](Index i) { return s.right(i) ? 1.0 : 0.0; });
  }
};

struct LogLoss : ClassMetric {
  static constexpr const char* name = "log_loss";
  static constexpr std::array<const char*, 2> aliases{"logloss", "neg_log_likelihood"};
  static constexpr const char* formula = "mean of -log p, p the probability of the true class, at least 2^-52";
  static constexpr const char* source = "scikit-learn documentation, log_loss";
  static constexpr bool probabilities = true;
  template <class T> double value(const Scored<T>& s) const {
    constexpr double least = std::numeric_limits<double>::epsilon();
    const auto surprise = [=](double p) { return -natural_log(std::min(1.0, std::max(least, p))); };
    if (s.kind != TargetKind::classes) {
      return s.average_of_all([&](Index i, Index j) {
        const double p = s.prediction(i, j), t = s.target(i, j);
        return (t > 0 ? t * surprise(p) : 0) + (t < 1 ? (1 - t) * surprise(1 - p) : 0);
      });
    }
    return s.average([&](Index i) {
      double sum = 0;
      for (Index j = 0; j < s.outputs(); ++j) {
        if (const double t = s.target(i, j); t > 0) sum += t * surprise(s.prediction(i, j));
      }
      return sum;
    });
  }
};

struct Auc : ClassMetric {
  static constexpr const char* name = "auc";
  static constexpr std::array<const char*, 1> aliases{"roc_auc"};
  static constexpr const char* formula =
      "how often a row of the class is ranked above one that is not, ties half; several classes: the mean over each "
      "against the rest";
  static constexpr const char* source =
      "Hanley and McNeil, Radiology 143 (1982); scikit-learn documentation, roc_auc_score";
  static constexpr bool greater = true;
  static constexpr const char* wants = "samples of a class and of another";
  template <class T> bool has(const Scored<T>& s) const {
    for (Index j = 0; j < s.outputs(); ++j) {
      bool own = false, others = false;
      for (Index i = 0; i < s.count(); ++i) {
        if (s.weight(i) != 0) (s.target(i, j) > s.border ? own : others) = true;
      }
      if (own && others) return true;
    }
    return false;
  }
  template <class T> double value(const Scored<T>& s) const {
    double sum = 0;
    Index columns = 0;
    // Of two classes either column says the same.
    for (Index j = s.kind == TargetKind::classes && s.outputs() == 2 ? 1 : 0; j < s.outputs(); ++j) {
      const double area = of_column(s, j);
      if (std::isnan(area)) continue;  // a class of which there is no row, or no other
      sum += area;
      ++columns;
    }
    return columns > 0 ? sum / static_cast<double>(columns) : std::numeric_limits<double>::quiet_NaN();
  }

 private:
  template <class T> static double of_column(const Scored<T>& s, Index j) {
    std::vector<Index> order;
    for (Index i = 0; i < s.count(); ++i) {
      if (s.weight(i) != 0) order.push_back(i);
    }
    std::stable_sort(order.begin(), order.end(),
                     [&](Index a, Index b) { return s.prediction(a, j) < s.prediction(b, j); });
    double below = 0, others = 0, own = 0, wins = 0;  // weights
    for (std::size_t i = 0, end = 0; i < order.size(); i = end) {
      double own_here = 0, others_here = 0;
      for (end = i; end < order.size() && s.prediction(order[end], j) == s.prediction(order[i], j); ++end) {
        (s.target(order[end], j) > s.border ? own_here : others_here) += s.weight(order[end]);
      }
      wins += own_here * (below + 0.5 * others_here);
      below += others_here;
      own += own_here;
      others += others_here;
    }
    return wins / (own * others);
  }
};

struct Rmse : MetricEntry {
  static constexpr const char* name = "rmse";
  static constexpr std::array<const char*, 1> aliases{"root_mean_squared_error"};
  static constexpr const char* formula = "sqrt of the mean of (t - y)^2, over rows and outputs";
  static constexpr const char* source = "scikit-learn documentation, root_mean_squared_error";
  template <class T> double value(const Scored<T>& s) const {
    const double unit = unit_of(s);
    return unit * std::sqrt(s.average_of_all([&](Index i, Index j) {
             const double e = s.target(i, j) / unit - s.prediction(i, j) / unit;
             return e * e;
           }));
  }
};

struct Mae : MetricEntry {
  static constexpr const char* name = "mae";
  static constexpr std::array<const char*, 1> aliases{"mean_absolute_error"};
  static constexpr const char* formula = "mean of |t - y|, over rows and outputs";
  static constexpr const char* source = "scikit-learn documentation, mean_absolute_error";
  template <class T> double value(const Scored<T>& s) const {
    const double unit = unit_of(s);
    return unit * s.average_of_all(
                      [&](Index i, Index j) { return std::abs(s.target(i, j) / unit - s.prediction(i, j) / unit); });
  }
};

struct R2 : MetricEntry {
  static constexpr const char* name = "r2";
  static constexpr const char* formula = "1 - sum (t - y)^2 / sum (t - mean t)^2, the mean over outputs";
  static constexpr const char* source = "scikit-learn documentation, r2_score";
  static constexpr bool greater = true;
  template <class T> double value(const Scored<T>& s) const {
    const double unit = unit_of(s);
    double sum = 0;
    for (Index j = 0; j < s.outputs(); ++j) {
      const double middle = s.average([&](Index i) { return s.target(i, j) / unit; });
      const auto square = [](double e) { return e * e; };
      const double left = s.average([&](Index i) { return square(s.target(i, j) / unit - s.prediction(i, j) / unit); });
      const double spread = s.average([&](Index i) { return square(s.target(i, j) / unit - middle); });
      // A constant column is predicted exactly or not at all, as scikit-learn has it.
      sum += spread > 0 ? 1 - left / spread : left == 0 ? 1 : 0;
    }
    return sum / static_cast<double>(s.outputs());
  }
};

}  // namespace metric

/// Every metric there is.
using Metric =
    std::variant<metric::Error, metric::Accuracy, metric::LogLoss, metric::Auc, metric::Rmse, metric::Mae, metric::R2>;

inline bool greater_is_better(const Metric& m) {
  return std::visit([](const auto& e) { return e.greater; }, m);
}
/// Throws std::invalid_argument unless the metric makes sense of the loss's targets.
void check_metric(const Metric& metric, const Loss& loss);
/// Throws std::invalid_argument where no predictions of these targets would have a value; none are looked at.
template <class T> void check_metric_of(const Metric& metric, const Scored<T>& scored);
/// NaN where the prediction of a row of weight above 0 is, and where the targets do not have what the metric wants.
template <class T> double metric_of(const Metric& metric, const Scored<T>& scored);

}  // namespace lamina
