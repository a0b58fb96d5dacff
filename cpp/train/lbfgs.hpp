/// The limited-memory BFGS method on all samples at once: Liu and Nocedal, Math. Programming 45 (1989).
#pragma once

#include <deque>

#include "train/epochs.hpp"
#include "train/line_search.hpp"

namespace lamina {

/// Steps and changes of the gradient, from which the inverse Hessian is applied by the two-loop recursion.
template <class T> class CurvaturePairs {
 public:
  explicit CurvaturePairs(Index most) : most_(most) {}
  bool empty() const { return pairs_.empty(); }
  void clear() { pairs_.clear(); }
  /// Remembers s = to - from and y; the oldest pair goes when there are too many.
  void add(Arena<T> s, Arena<T> y, double sy, double yy);
  /// v <- H v.
  void apply(Arena<T>& v) const;

 private:
  struct Pair {
    Arena<T> s, y;
    double sy;
  };
  Index most_;
  double scale_ = 1;  ///< s'y / y'y of the newest pair: H before any correction
  std::deque<Pair> pairs_;
};

/// Minimises loss and L2 penalty of `train`; an iteration (one line search) is an epoch of `keeper`. The penalty's l1
/// must be 0. Batch norm uses the statistics of all samples, and its running values move once an iteration.
template <class T> class LbfgsFit {
 public:
  LbfgsFit(const solver::LBFGS& spec, Network<T>& network, const Samples<T>& train, const FitOptions& options,
           EpochKeeper<T>& keeper, History& history, kernels::Team& team);
  void run();

 private:
  void iterate(Index epoch);
  double search();
  double search_along_direction();
  void remember();
  double evaluate();
  bool may_evaluate() const { return history_.evaluations < spec_.max_evaluations; }
  double largest_gradient() const;

  const solver::LBFGS spec_;
  Network<T>& network_;
  const Samples<T> train_;
  EpochKeeper<T>& keeper_;
  History& history_;
  kernels::Team& team_;
  double weight_;
  PenaltyStrength penalty_;
  std::uint64_t seed_;
  TrainingPass<T> passes_;
  CurvaturePairs<T> pairs_;
  Arena<T> gradient_, direction_;
  Arena<T> start_, start_gradient_, start_state_;  ///< of the iteration
  double loss_ = 0;
};

}  // namespace lamina
