/// Copies of large arrays.
#pragma once

#include "core/types.hpp"
#include "kernels/simd.hpp"

namespace lamina::kernels {

/// to[i] = from[i] for i < n, vector by vector. The C library's memcpy takes the processor's string instruction for
/// more than some KiB, which virtual machines were seen to run at a fifth of the speed of plain loads and stores.
template <class T> void copy(const T* from, T* to, Index n) {
  using V = simd::Vec<T>;
  constexpr Index step = 4 * V::size;
  Index i = 0;
  for (; i + step <= n; i += step) {
    const V a = V::load(from + i), b = V::load(from + i + V::size);
    const V c = V::load(from + i + 2 * V::size), d = V::load(from + i + 3 * V::size);
    a.store(to + i);
    b.store(to + i + V::size);
    c.store(to + i + 2 * V::size);
    d.store(to + i + 3 * V::size);
    asm volatile("" : : : "memory");  // or else the compiler sees a memcpy in this
  }
  for (; i < n; ++i) to[i] = from[i];
}

template <class T> void copy(const Vector<const T>& from, const Vector<T>& to) {
  eigen_assert(from.size() == to.size());
  copy(from.data(), const_cast<T*>(to.data()), from.size());
}

}  // namespace lamina::kernels
