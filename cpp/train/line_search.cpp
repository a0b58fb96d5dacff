#include "train/line_search.hpp"

#include <algorithm>
#include <cmath>

namespace lamina {
namespace {

constexpr double enough_decrease = 1e-3;
constexpr double enough_flattening = 0.9;
constexpr double narrow_enough = 0.1;  // relative width at which the interval is worth no more evaluations
constexpr double longest = 1e10;
constexpr int most_evaluations = 20;

}  // namespace

LineSearch::LineSearch(double value, double slope, double first)
    : value_(value),
      slope_(slope),
      best_{0, value, slope},
      other_(best_),
      step_(std::min(first, longest)),
      high_(5 * step_),
      most_(longest),
      width_(longest),
      width_before_(2 * longest) {}

/// Where the cubic through both values and slopes is lowest, as a share of the way between the points.
double LineSearch::cubic_share(const Point& from, const Point& to) {
  const double theta = 3 * (from.value - to.value) / (to.step - from.step) + from.slope + to.slope;
  const double scale = std::max({std::abs(theta), std::abs(from.slope), std::abs(to.slope)});
  const double square = theta / scale * (theta / scale) - from.slope / scale * (to.slope / scale);
  const double root = std::copysign(scale * std::sqrt(std::max(0.0, square)), to.step - from.step);
  return (root - from.slope + theta) / (root - from.slope + root + to.slope);
}

/// Where the line through both slopes is zero.
double LineSearch::secant(const Point& from, const Point& to) {
  return from.step + from.slope / (from.slope - to.slope) * (to.step - from.step);
}

/// The next step, by the four cases of the paper's section 4.
double LineSearch::propose(const Point& best, const Point& other, const Point& trial) const {
  const double way = trial.step - best.step;
  if (trial.value > best.value) {
    const double cubic = best.step + cubic_share(best, trial) * way;
    const double parabola = best.step + best.slope / ((best.value - trial.value) / way + best.slope) / 2 * way;
    const bool nearer = std::abs(cubic - best.step) <= std::abs(parabola - best.step);
    return nearer ? cubic : cubic + (parabola - cubic) / 2;
  }
  if (trial.slope * best.slope < 0) {
    const double cubic = trial.step - cubic_share(trial, best) * way, line = secant(trial, best);
    return std::abs(cubic - trial.step) > std::abs(line - trial.step) ? cubic : line;
  }
  if (std::abs(trial.slope) < std::abs(best.slope)) {
    const double share = cubic_share(trial, best), line = secant(trial, best);
    // A cubic without a minimum ahead says no more than "as far as it may be".
    const double cubic = share < 0 ? trial.step - share * way : way > 0 ? high_ : low_;
    const bool cubic_is_nearer = std::abs(cubic - trial.step) < std::abs(line - trial.step);
    if (!bracketed_) return std::clamp(cubic_is_nearer ? line : cubic, low_, high_);
    const double limit = trial.step + 0.66 * (other.step - trial.step), next = cubic_is_nearer ? cubic : line;
    return way > 0 ? std::min(limit, next) : std::max(limit, next);
  }
  if (bracketed_) return trial.step + cubic_share(trial, other) * (other.step - trial.step);
  return way > 0 ? high_ : low_;
}

/// The interval after the trial: it keeps a minimiser of f(t) - tilt t between `best_` and `other_`.
void LineSearch::narrow(const Point& trial, double tilt) {
  if (trial.value - tilt * trial.step > best_.value - tilt * best_.step) {
    other_ = trial;
    bracketed_ = true;
    return;
  }
  if ((trial.slope - tilt) * (best_.slope - tilt) < 0) {
    other_ = best_;
    bracketed_ = true;
  }
  best_ = trial;
}

void LineSearch::take(double value, double slope) {
  ++taken_;
  if (!std::isfinite(value) || !std::isfinite(slope)) {
    most_ = best_.step + 0.5 * (step_ - best_.step);
    step_ = best_.step + 0.1 * (step_ - best_.step);
    high_ = std::min(high_, most_);
    done_ = taken_ >= most_evaluations;
    return;
  }
  const double line = value_ + enough_decrease * slope_ * step_;
  decreased_ = value <= line;
  if (decreased_ && slope >= 0) second_stage_ = true;
  const bool stuck = bracketed_ && (step_ <= low_ || step_ >= high_ || high_ - low_ <= narrow_enough * high_);
  const bool at_limit = step_ == most_ && decreased_ && slope <= enough_decrease * slope_;
  const bool found = decreased_ && std::abs(slope) <= enough_flattening * -slope_;
  done_ = stuck || at_limit || found || taken_ >= most_evaluations;
  if (done_) return;

  const Point trial{step_, value, slope};
  // Until the decrease is enough, f less the line of sufficient decrease leads the way.
  const bool tilted = !second_stage_ && value <= best_.value && !decreased_;
  const double tilt = tilted ? enough_decrease * slope_ : 0;
  const auto seen = [tilt](const Point& p) { return Point{p.step, p.value - tilt * p.step, p.slope - tilt}; };
  double next = propose(seen(best_), seen(other_), seen(trial));
  narrow(trial, tilt);

  if (bracketed_) {
    const double width = std::abs(other_.step - best_.step);
    if (width >= 0.66 * width_before_) next = best_.step + 0.5 * (other_.step - best_.step);
    width_before_ = width_;
    width_ = width;
    low_ = std::min(best_.step, other_.step);
    high_ = std::max(best_.step, other_.step);
  } else {
    low_ = next + 1.1 * (next - best_.step);
    high_ = next + 4 * (next - best_.step);
  }
  step_ = std::clamp(next, 0.0, most_);
  // No room left: the lowest point is evaluated once more, and the search ends there.
  if (bracketed_ && (step_ <= low_ || step_ >= high_ || high_ - low_ <= narrow_enough * high_)) step_ = best_.step;
}

}  // namespace lamina
