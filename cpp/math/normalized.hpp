/// How one input is normalised, for any vector of `simd`.
#pragma once

#include <limits>

#include "kernels/simd.hpp"

namespace lamina {

/// A limit that leaves numbers as they are; a finite one, since model files hold no others, and one in every type.
template <class T> inline constexpr T no_limit = static_cast<T>(std::numeric_limits<float>::max());

/// (x - mean) * scale, also where the difference alone is beyond the largest number.
template <class V> LAMINA_INLINE V normalized(V x, V mean, V scale) {
  const V off = x - mean;
  return select(abs(off) <= V(std::numeric_limits<typename V::Scalar>::max()), off * scale, x * scale - mean * scale);
}

/// u / sqrt(1 + (u / limit)^2). Far out u is clamped, where the result is +-limit anyway: a square would overflow.
template <class V> LAMINA_INLINE V smoothly_clipped(V u, V limit) {
  using T = typename V::Scalar;
  const V far = min(V(T(1e9)) * limit, V(std::numeric_limits<T>::max()));
  const V within = select(u > far, far, select(u < -far, -far, u));
  const V share = within / limit;
  return select(limit < V(no_limit<T>), within / sqrt(V(T(1)) + share * share), u);
}

}  // namespace lamina
