#include "math/initializers.hpp"

#include <cmath>
#include <vector>

#include "kernels/elementary.hpp"

namespace lamina {
namespace {

/// Standard normal by Box and Muller's transform, on our own log and cos so that no C library decides the bits.
double normal(const Random& random, std::uint64_t counter) {
  const Random::Block b = random(counter);
  const double u = (static_cast<double>(((std::uint64_t{b[0]} << 32) | b[1]) >> 11) + 0.5) * 0x1p-53;
  const double turn = static_cast<double>(((std::uint64_t{b[2]} << 32) | b[3]) >> 11) * 0x1p-53;
  using V = simd::Vec<double, 1>;
  return std::sqrt(-2 * log(V(u))[0]) * cos(V(6.283185307179586477 * turn))[0];
}

/// Rows of the smaller side made orthonormal, in double, one after another (modified Gram and Schmidt, twice).
std::vector<double> orthonormal_rows(const Random& random, Index rows, Index columns) {
  std::vector<double> q(static_cast<std::size_t>(rows * columns));
  for (std::size_t i = 0; i < q.size(); ++i) q[i] = normal(random, i);
  const auto dot = [&](const double* a, const double* b) {
    double s = 0;
    for (Index j = 0; j < columns; ++j) s += a[j] * b[j];
    return s;
  };
  for (Index i = 0; i < rows; ++i) {
    double* r = q.data() + i * columns;
    for (int pass = 0; pass < 2; ++pass) {
      for (Index p = 0; p < i; ++p) {
        const double* s = q.data() + p * columns;
        const double along = dot(r, s);
        for (Index j = 0; j < columns; ++j) r[j] -= along * s[j];
      }
    }
    const double norm = std::sqrt(dot(r, r));
    for (Index j = 0; j < columns; ++j) r[j] /= norm;
  }
  return q;
}

}  // namespace

Initializer suited_initializer(const Activation& activation) {
  const Suits suits = std::visit([](const auto& a) { return a.suits; }, activation);
  if (suits == Suits::he) return initializer::HeUniform{};
  if (suits == Suits::lecun) return initializer::LecunNormal{};
  return initializer::GlorotUniform{};
}

template <class T>
void initialize(const Initializer& chosen, const Activation& activation, const Random& random, T* w, Index fan_in,
                Index fan_out) {
  const bool automatic = std::holds_alternative<initializer::Auto>(chosen);
  const Initializer initializer = automatic ? suited_initializer(activation) : chosen;
  std::visit(
      [&](const auto& rule) {
        using R = std::decay_t<decltype(rule)>;
        if constexpr (!std::is_same_v<R, initializer::Auto>) {
          const Index n = fan_in * fan_out;
          const double sigma = std::sqrt(rule.variance(static_cast<double>(fan_in), static_cast<double>(fan_out)));
          for (Index i = 0; i < n; ++i) {
            const auto counter = static_cast<std::uint64_t>(i);
            if constexpr (R::shape == Shape::uniform) {
              w[i] = static_cast<T>(sigma * std::sqrt(3.0) * (2 * random.uniform(counter) - 1));
            } else if constexpr (R::shape == Shape::normal) {
              w[i] = static_cast<T>(sigma * normal(random, counter));
            } else {
              w[i] = T(0);
            }
          }
          if constexpr (std::is_same_v<R, initializer::Orthogonal>) {
            const bool tall = fan_in > fan_out;
            const auto q = orthonormal_rows(random, tall ? fan_out : fan_in, tall ? fan_in : fan_out);
            for (Index i = 0; i < fan_in; ++i) {
              for (Index j = 0; j < fan_out; ++j) {
                const Index at = tall ? j * fan_in + i : i * fan_out + j;
                w[i * fan_out + j] = static_cast<T>(rule.gain * q[static_cast<std::size_t>(at)]);
              }
            }
          }
        }
      },
      initializer);
}

template void initialize<float>(const Initializer&, const Activation&, const Random&, float*, Index, Index);
template void initialize<double>(const Initializer&, const Activation&, const Random&, double*, Index, Index);

}  // namespace lamina
