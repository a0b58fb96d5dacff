#include "math/initializers.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

#include "core/arena.hpp"
#include "kernels/reduce.hpp"
#include "math/normal.hpp"

namespace lamina {
namespace {

/// Makes the rows of q orthonormal, one after another: modified Gram and Schmidt, twice.
void orthonormalize_rows(Matrix<double> q) {
  for (Index i = 0; i < q.rows(); ++i) {
    for (int pass = 0; pass < 2; ++pass) {
      for (Index j = 0; j < i; ++j) q.row(i) -= kernels::dot(q.row(i), q.row(j)) * q.row(j);
    }
    q.row(i) /= std::sqrt(kernels::dot(q.row(i), q.row(i)));
  }
}

/// w = gain Q, the smaller side of Q orthonormal.
template <class T> void initialize_orthogonal(double gain, const Random& random, Matrix<T> w) {
  const bool tall = w.rows() > w.cols();
  Arena<double> memory(w.size());
  for (Index i = 0; i < w.size(); ++i) memory[i] = standard_normal(random, static_cast<std::uint64_t>(i));
  Matrix<double> q(memory.data(), std::min(w.rows(), w.cols()), std::max(w.rows(), w.cols()));
  orthonormalize_rows(q);
  if (tall) w = (gain * q.transpose()).template cast<T>();
  else w = (gain * q).template cast<T>();
}

}  // namespace

void check_needs_no_data(const Initializer& initializer, const char* owner) {
  if (!follows_from_data(initializer)) return;
  throw std::invalid_argument(std::string("initializer of ") + owner + " must not follow from the data; got '" +
                              name_of(initializer) + "'");
}

Initializer suited_initializer(const Activation& activation) {
  const Suits suits = std::visit([](const auto& a) { return a.suits; }, activation);
  if (suits == Suits::he) return initializer::HeUniform{};
  if (suits == Suits::lecun) return initializer::LecunNormal{};
  return initializer::GlorotUniform{};
}

template <class T>
void initialize(const Initializer& chosen, const Activation& activation, const Random& random, Matrix<T> w) {
  const bool automatic = std::holds_alternative<initializer::Auto>(chosen);
  const Initializer initializer = automatic ? suited_initializer(activation) : chosen;
  const auto fill = [&](auto&& value) {
    std::uint64_t counter = 0;
    for (Index i = 0; i < w.rows(); ++i) {
      for (Index j = 0; j < w.cols(); ++j) w(i, j) = static_cast<T>(value(counter++));
    }
  };
  std::visit(
      [&](const auto& rule) {
        using R = std::decay_t<decltype(rule)>;
        if constexpr (!std::is_same_v<R, initializer::Auto>) {
          const double sigma = std::sqrt(rule.variance(static_cast<double>(w.rows()), static_cast<double>(w.cols())));
          if constexpr (R::shape == Shape::uniform) {
            fill([&](auto counter) { return sigma * std::sqrt(3.0) * (2 * random.uniform(counter) - 1); });
          } else if constexpr (R::shape == Shape::normal) {
            fill([&](auto counter) { return sigma * standard_normal(random, counter); });
          } else if constexpr (R::shape == Shape::orthogonal) {
            initialize_orthogonal(rule.gain, random, w);
          } else {
            w.setZero();
          }
        }
      },
      initializer);
}

template void initialize<float>(const Initializer&, const Activation&, const Random&, Matrix<float>);
template void initialize<double>(const Initializer&, const Activation&, const Random&, Matrix<double>);

}  // namespace lamina
