/// What trains one unit of a cascade: its pass over all patterns, the slopes of its correlation with the errors, and
/// the descent and patience of a phase.
#pragma once

#include <cmath>

#include "math/activate.hpp"
#include "math/optimizers.hpp"
#include "train/cascade.hpp"
#include "train/cascade_columns.hpp"

namespace lamina::cascade {

/// A worker's memory: pre-activations, activations and derivatives of all patterns, and a block of slopes.
template <class T> struct UnitScratch {
  explicit UnitScratch(Index patterns) : z(padded(patterns)), v(padded(patterns)), d(padded(patterns)), slopes(block) {}
  Arena<T> z, v, d, slopes;
};

/// Fills the slopes of the unit at `position`: parity, or where a learned or random one starts.
template <class T> void set_slopes(const Activation& f, Index position, Arena<T>& slopes) {
  std::visit(
      [&](const auto& a) {
        using A = std::decay_t<decltype(a)>;
        double slope = 0;
        if constexpr (A::slope == Slope::parity) slope = static_cast<double>(position % 2);
        else if constexpr (A::slope != Slope::none) slope = a.start();
        std::fill(slopes.begin(), slopes.end(), static_cast<T>(slope));
      },
      f);
}

/// s.z and s.v of a unit for all patterns.
template <class T>
void run_unit(const Activation& f, const Columns<T>& columns, const T* w, Index count, UnitScratch<T>& s) {
  for_blocks(columns.stride, [&](Index p, Index m) {
    weighted_sum(columns.column(0) + p, columns.stride, w, count, s.z.data() + p, m);
    activate<T>(f, nullptr, s.z.data() + p, s.v.data() + p, {1, m, m}, {s.slopes.data(), 0});
  });
}

/// Covariances of s.v with the centred errors, one an output. The mean of V drops out, since those errors sum to 0.
template <class T> void covariances(const Columns<T>& errors, Index outputs, const UnitScratch<T>& s, double* out) {
  std::fill_n(out, outputs, 0.0);
  for_blocks(errors.stride,
             [&](Index p, Index m) { products(errors.column(0) + p, errors.stride, outputs, s.v.data() + p, m, out); });
}

struct Spread {
  double mean = 0;
  double deviation = 1;  ///< at least 1
};

/// Of s.v. S is divided by this deviation: nothing for units within [-1, 1], whose deviation is at most 1, while one
/// without bounds would otherwise gain by growing, and end in overflow.
template <class T> Spread spread(const Columns<T>& columns, UnitScratch<T>& s) {
  const T* ones = columns.column(0);  // and zeros in the padding
  const double rows = static_cast<double>(columns.rows);
  double sum = 0, squares = 0;
  for_blocks(columns.stride, [&](Index p, Index m) { products(ones + p, columns.stride, 1, s.v.data() + p, m, &sum); });
  const T mean = static_cast<T>(sum / rows);
  for_blocks(columns.stride, [&](Index p, Index m) { squares += squares_from(mean, ones + p, s.v.data() + p, m); });
  return {static_cast<double>(mean), std::max(1.0, std::sqrt(squares / rows))};
}

/// dS/dw for the unit that `run_unit` has just run; sigma holds the signs of its covariances, `score` is S.
template <class T>
void correlation_gradient(const Activation& f, const Columns<T>& columns, Index count, const Columns<T>& errors,
                          const T* sigma, Index outputs, const Spread& v, double score, UnitScratch<T>& s,
                          double* out) {
  std::fill_n(out, count, 0.0);
  const bool free = v.deviation > 1;
  const T mean = static_cast<T>(v.mean), scale = static_cast<T>(1 / v.deviation);
  const T pull = static_cast<T>(score / (v.deviation * v.deviation * static_cast<double>(columns.rows)));
  for_blocks(columns.stride, [&](Index p, Index m) {
    T* d = s.d.data() + p;
    weighted_sum(errors.column(0) + p, errors.stride, sigma, outputs, d, m);
    if (free) divide_by_deviation(s.v.data() + p, mean, scale, pull, d, m);
    multiply_derivative<T>(f, s.z.data() + p, s.v.data() + p, d, {1, m, m}, {s.slopes.data(), 0});
    products(columns.column(0) + p, columns.stride, count, d, m, out);
  });
}

template <class T> T sign_of(double x) { return static_cast<T>((x > 0) - (x < 0)); }

/// Takes the mean from every column of errors; returns the sum of squares before.
template <class T> double centre(Columns<T>& errors, Index outputs) {
  double squares = 0;
  for (Index o = 0; o < outputs; ++o) {
    T* e = errors.column(o);
    double sum = 0;
    for (Index p = 0; p < errors.rows; ++p) {
      sum += static_cast<double>(e[p]);
      squares += static_cast<double>(e[p]) * static_cast<double>(e[p]);
    }
    const T mean = static_cast<T>(sum / static_cast<double>(errors.rows));
    for (Index p = 0; p < errors.rows; ++p) e[p] -= mean;
  }
  return squares;
}

/// One weight vector under quickprop or Rprop, remembered at its best score.
template <class T> class Descent {
 public:
  Descent(Index n, const CascadeOptions& o, double rate) : w(n), best(n), g_(n), slots_{Arena<T>(n), Arena<T>(n)} {
    if (o.rprop) rule_ = optimizer::Rprop{};
    else rule_ = optimizer::Quickprop{{}, rate, o.mu, o.decay};
    running_ = running(rule_);
    const double start = std::visit([](const auto& r) { return r.initial_slot(1); }, rule_);
    std::fill(slots_[1].begin(), slots_[1].end(), static_cast<T>(start));
  }
  /// w against the gradient scale * slope.
  void step(const double* slope, double scale) {
    for (Index i = 0; i < w.size(); ++i) g_[i] = static_cast<T>(scale * slope[i]);
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
