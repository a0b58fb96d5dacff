/// The Levenberg-Marquardt method for sums of squares, on all samples at once: Marquardt, SIAM J. Appl. Math. 11
/// (1963), with the radius of Moré, Lecture Notes in Mathematics 630 (1978).
#pragma once

#include <deque>

#include "math/cholesky.hpp"
#include "train/full_batch.hpp"

namespace lamina {

/// Minimises the squared error and L2 penalty: an iteration takes one Jacobian J of the residuals r, and looks for a
/// step d, (J'J + mu I) d = -J'r. Whatever the network's type, the normal equations are kept and solved in double:
/// (parameters)^2 numbers.
template <class T> class LevenbergMarquardtFit {
 public:
  static constexpr Index most_parameters = 10000;

  LevenbergMarquardtFit(const solver::LevenbergMarquardt& spec, const FitTask<T>& task);
  void run();

 private:
  /// A thread's own.
  struct Worker {
    explicit Worker(const Network<T>& network)
        : pass(network, 1, 1), rows(network.outputs() * network.parameters().size()), target(network.outputs()) {}
    TrainingPass<T> pass;  ///< of one sample
    Arena<T> rows;         ///< its rows of the Jacobian, as the layers give them
    Arena<T> target;       ///< as it is learned
    kernels::PackBuffer<double> buffer;
  };

  void iterate(Index epoch);
  void linearize();
  void linearize_samples(Range samples);
  bool find_step();
  void follow(double ratio, double gain, double slope, double size);
  double evaluate();
  Matrix<double> normal() { return {normal_.data(), n_, n_}; }

  const solver::LevenbergMarquardt spec_;
  const FitTask<T>& task_;
  const Index n_;  ///< parameters
  Arena<T>& w_;    ///< the network's
  std::deque<Worker> workers_;
  Arena<double> jacobian_, residuals_;  ///< J and r of some samples, weighted
  Arena<double> normal_, gradient_;     ///< J'J, J'r
  Cholesky cholesky_;                   ///< of J'J + mu I
  Arena<double> step_, half_solved_;    ///< d, L^-1 d
  Arena<double> l2_;                    ///< by parameter
  Arena<T> start_;                      ///< w before the iteration
  double& damping_;                     ///< mu
  double& radius_;                      ///< no step may be much longer
  double& loss_;
};

}  // namespace lamina
