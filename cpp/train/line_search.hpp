/// A line search for the strong Wolfe conditions: Moré and Thuente, ACM TOMS 20 (1994).
#pragma once

namespace lamina {

/// Finds t > 0 with f(t) <= f(0) + 1e-3 t f'(0) and |f'(t)| <= 0.9 |f'(0)|. The caller evaluates f where it is told to:
///
///   LineSearch search(f0, slope0, first);
///   while (search.wants_more()) search.take(f(search.step()), slope(search.step()));
///
/// The last step taken is the answer; `decreased` tells whether it lowers f far enough.
class LineSearch {
 public:
  /// `slope` is f'(0) < 0; `first` > 0 is tried first.
  LineSearch(double value, double slope, double first);

  double step() const { return step_; }
  bool wants_more() const { return !done_; }
  bool decreased() const { return decreased_; }
  /// What f and f' are at `step()`. A value that is not finite only makes the step shorter.
  void take(double value, double slope);

 private:
  struct Point {
    double step, value, slope;
  };
  static double cubic_share(const Point& from, const Point& to);
  static double secant(const Point& from, const Point& to);
  double propose(const Point& best, const Point& other, const Point& trial) const;
  void narrow(const Point& trial, double tilt);

  double value_, slope_;
  Point best_, other_;  ///< the lowest point so far, and the other end of the interval once there is one
  double step_;
  double low_ = 0, high_;  ///< where the next step may lie
  double most_;            ///< no step may be longer
  double width_, width_before_;
  bool bracketed_ = false, second_stage_ = false, done_ = false, decreased_ = false;
  int taken_ = 0;
};

}  // namespace lamina
