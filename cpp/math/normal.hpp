/// Draws of the normal and of the exponential distribution.
#pragma once

#include <cmath>

#include "core/random.hpp"
#include "kernels/elementary.hpp"

namespace lamina {

/// N(0, 1) by Box and Muller's transform, on our own log and cos so that no C library decides the bits.
inline double standard_normal(const Random& random, std::uint64_t counter) {
  const Random::Block b = random(counter);
  const double u = (static_cast<double>(((std::uint64_t{b[0]} << 32) | b[1]) >> 11) + 0.5) * 0x1p-53;
  const double turn = static_cast<double>(((std::uint64_t{b[2]} << 32) | b[3]) >> 11) * 0x1p-53;
  using V = simd::Vec<double, 1>;
  return std::sqrt(-2 * log(V(u))[0]) * cos(V(6.283185307179586477 * turn))[0];
}

/// The exponential distribution with mean 1, by inversion.
inline double standard_exponential(const Random& random, std::uint64_t counter) {
  return -log(simd::Vec<double, 1>(1 - random.uniform(counter)))[0];
}

}  // namespace lamina
