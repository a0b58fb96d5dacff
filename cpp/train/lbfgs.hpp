/// The limited-memory BFGS method on all samples at once: Liu and Nocedal, Math. Programming 45 (1989).
#pragma once

#include <deque>

#include "train/full_batch.hpp"
#include "train/line_search.hpp"

namespace lamina {

/// The last steps s and changes y of the gradient, which make an approximation H of the inverse Hessian.
template <class T> class CurvaturePairs {
 public:
  explicit CurvaturePairs(Index most) : most_(most) {}
  bool empty() const { return pairs_.empty(); }
  void clear() { pairs_.clear(); }
  /// Remembers what came of a step from w0, where the gradient was g0, to w and g, unless the slope did not rise along
  /// it: then H would not stay positive definite. The oldest pair goes when there are too many.
  void add(const Vector<const T>& w0, const Vector<const T>& g0, const Vector<const T>& w, const Vector<const T>& g);
  /// v <- H v, by the two-loop recursion.
  void apply(Vector<T> v);
  void keep(FitState<T>& state) const;
  /// Those that a state keeps, of `n` parameters.
  void go_on(const FitState<T>& state, Index n);

 private:
  struct Pair {
    Arena<T> s, y;
    double sy = 0;     ///< s'y
    double alpha = 0;  ///< s'v / s'y, from one loop of the recursion to the other
  };
  void push(Pair pair);

  Index most_;
  double scale_ = 1;  ///< s'y / y'y of the newest pair: H before any correction
  std::deque<Pair> pairs_;
  Pair spare_;  ///< memory of the last pair to go
};

/// Minimises loss and L2 penalty; an iteration is one line search. The penalty's l1 must be 0. Batch norm uses the
/// statistics of all samples, and its running values move once an iteration.
template <class T> class LbfgsFit {
 public:
  LbfgsFit(const solver::LBFGS& spec, const FitTask<T>& task);
  void run();

 private:
  void iterate(Index epoch);
  double search();
  double search_along_direction();
  double evaluate();
  void begin_here();
  void go_back();
  bool may_evaluate() const { return task_.history.evaluations < spec_.max_evaluations; }
  bool flat() const;

  const solver::LBFGS spec_;
  const FitTask<T>& task_;
  Arena<T>&w_, &state_;  ///< the network's
  TrainingPass<T> passes_;
  CurvaturePairs<T> pairs_;
  Arena<T> gradient_, direction_;
  Arena<T> start_, start_gradient_, start_state_;  ///< of the iteration
  double& loss_;
};

}  // namespace lamina
