/// The Levenberg-Marquardt method for sums of squares, on all samples at once: Marquardt, SIAM J. Appl. Math. 11
/// (1963).
#pragma once

#include <deque>

#include "train/epochs.hpp"

namespace lamina {

/// Minimises the squared error and L2 penalty of `train`; an iteration (one Jacobian) is an epoch of `keeper`. Whatever
/// the network's type, the normal equations are kept and solved in double: (parameters)^2 numbers.
template <class T> class LevenbergMarquardtFit {
 public:
  static constexpr Index most_parameters = 10000;

  LevenbergMarquardtFit(const solver::LevenbergMarquardt& spec, Network<T>& network, const Samples<T>& train,
                        const FitOptions& options, EpochKeeper<T>& keeper, History& history, kernels::Team& team);
  void run();

 private:
  void iterate(Index epoch);
  void linearize();
  void linearize_rows(Range rows);
  bool factorize(double damping);
  void solve();
  bool find_step();
  double evaluate();

  const solver::LevenbergMarquardt spec_;
  Network<T>& network_;
  const Samples<T> train_;
  EpochKeeper<T>& keeper_;
  History& history_;
  kernels::Team& team_;
  const Index n_;  ///< parameters
  double weight_, l2_;
  std::uint64_t seed_;
  std::deque<TrainingPass<T>> passes_;        ///< a thread's own, of one row
  Arena<T> rows_;                             ///< rows of the Jacobian as the layers give them
  Arena<double> jacobian_, residuals_;        ///< a block of them, weighted
  Arena<double> normal_, factor_, gradient_;  ///< J'J, its Cholesky factor when damped, J'r
  Arena<double> change_, l2_of_;              ///< the step, l2 by parameter
  Arena<double> turned_;                      ///< of the radius's derivative
  Arena<T> start_;
  double damping_ = 0, radius_ = 0, loss_ = 0;
  bool first_ = true;
};

}  // namespace lamina
