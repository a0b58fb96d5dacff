/// Cholesky's factor of a symmetric positive definite matrix, in double and row by row: each element is one sum, in an
/// order of our own.
#pragma once

#include <functional>

#include "core/arena.hpp"

namespace lamina {

class Cholesky {
 public:
  explicit Cholesky(Index n) : n_(n), memory_(n * n) {}

  /// L L' = A + mu I, from the lower half of A; `poll` is called once a row. False where that is not positive definite,
  /// to rounding: then there is no factor.
  bool factorize(const Matrix<const double>& a, double mu, const std::function<void()>& poll);
  /// x <- L^-1 x.
  void solve_lower(Vector<double> x) const;
  /// x <- (L L')^-1 x.
  void solve(Vector<double> x) const;

 private:
  Matrix<const double> factor() const { return {memory_.data(), n_, n_}; }

  Index n_;
  Arena<double> memory_;
};

}  // namespace lamina
