#include "math/cholesky.hpp"

#include <cmath>

#include "kernels/reduce.hpp"

namespace lamina {

bool Cholesky::factorize(const Matrix<const double>& a, double mu, const std::function<void()>& poll) {
  Matrix<double> l(memory_.data(), n_, n_);
  for (Index i = 0; i < n_; ++i) {
    poll();
    for (Index j = 0; j < i; ++j) l(i, j) = (a(i, j) - kernels::dot(l.row(i).head(j), l.row(j).head(j))) / l(j, j);
    const double diagonal = a(i, i) + mu;
    const double rest = diagonal - kernels::dot(l.row(i).head(i), l.row(i).head(i));
    if (!(rest > 1e-14 * diagonal && std::isfinite(rest))) return false;
    l(i, i) = std::sqrt(rest);
  }
  return true;
}

void Cholesky::solve_lower(Vector<double> x) const {
  const Matrix<const double> l = factor();
  for (Index i = 0; i < n_; ++i) x(i) = (x(i) - kernels::dot(l.row(i).head(i), x.head(i))) / l(i, i);
}

void Cholesky::solve(Vector<double> x) const {
  const Matrix<const double> l = factor();
  solve_lower(x);
  for (Index i = n_; i-- > 0;) {
    x(i) /= l(i, i);
    x.head(i) -= x(i) * l.row(i).head(i);
  }
}

}  // namespace lamina
