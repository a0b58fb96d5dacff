#include "math/activate.hpp"

#include <algorithm>
#include <vector>

namespace lamina {
namespace {

using simd::Vec;

/// f(x) with or without a slope.
template <class A, class V> LAMINA_INLINE V plain_value(const A& a, V x, V s) {
  if constexpr (A::slope == Slope::none) return a.value(x);
  else return a.value(x, s);
}
template <class A, class V> LAMINA_INLINE V plain_derivative(const A& a, V x, V s) {
  if constexpr (A::slope == Slope::none) return a.derivative(x);
  else return a.derivative(x, s);
}

template <class A, class T, int N> LAMINA_INLINE Vec<T, N> value(const A& a, Vec<T, N> x, Vec<T, N> s) {
  if constexpr (A::in_double && std::is_same_v<T, float>) {
    return simd::in_double(x, [&](auto wide) { return a.value(wide); });
  } else {
    return plain_value(a, x, s);
  }
}

/// The derivative that training multiplies by.
template <class A, class T, int N>
LAMINA_INLINE Vec<T, N> training_derivative(const A& a, Vec<T, N> z, Vec<T, N> y, Vec<T, N> s, bool surrogates) {
  if constexpr (A::from_output) return a.derivative_from_output(y);
  else if constexpr (A::has_surrogate) return surrogates ? a.surrogate(z) : a.derivative(z);
  else return plain_derivative(a, z, s);
}

/// body(j, count) for every vector of a row, count < N in the last one only.
template <int N, class Body> LAMINA_INLINE void for_row(Index columns, Body&& body) {
  Index j = 0;
  for (; j + N <= columns; j += N) body(j, std::integral_constant<Index, N>{});
  if (j < columns) body(j, columns - j);
}
template <class T, int N, class Count> LAMINA_INLINE Vec<T, N> load(const T* p, Count count) {
  if constexpr (std::is_same_v<Count, std::integral_constant<Index, N>>) return Vec<T, N>::load(p);
  else return Vec<T, N>::load_partial(p, count);
}
template <class T, int N, class Count> LAMINA_INLINE void store(Vec<T, N> v, T* p, Count count) {
  if constexpr (std::is_same_v<Count, std::integral_constant<Index, N>>) v.store(p);
  else v.store_partial(p, count);
}

/// The slope of unit j for code that has no layer: parity, or the value the slope starts from.
template <class A, class T, int N> LAMINA_INLINE Vec<T, N> default_slope(const A& a, Index first, Index units) {
  Vec<T, N> s(T(0));
  if constexpr (A::slope == Slope::parity) {
    for (int i = 0; i < N; ++i) s.raw[i] = static_cast<T>((first + i) % units % 2);
  } else if constexpr (A::slope != Slope::none) {
    s = Vec<T, N>(static_cast<T>(a.start()));
  }
  return s;
}

/// body(a) of a built-in activation; one from outside goes a block at a time.
template <class F> void visit_built_in(const Activation& f, F&& body) {
  std::visit(
      [&](const auto& a) {
        if constexpr (std::decay_t<decltype(a)>::listed) body(a);
      },
      f);
}

/// value or derivative of a custom activation over contiguous memory.
template <class T> void call_value(const activation::Custom& a, const T* x, T* y, Index rows, Index columns) {
  if (rows * columns > 0) a.functions->value(x, y, rows, columns);
}
template <class T> void call_derivative(const activation::Custom& a, const T* x, T* d, Index rows, Index columns) {
  if (rows * columns > 0) a.functions->derivative(x, d, rows, columns);
}

/// The block as contiguous memory.
template <class T> std::vector<T> gathered(const T* from, Block block) {
  std::vector<T> out;
  out.reserve(static_cast<std::size_t>(block.rows * block.columns));
  for (Index i = 0; i < block.rows; ++i)
    out.insert(out.end(), from + i * block.stride, from + i * block.stride + block.columns);
  return out;
}

template <class T> void activate_custom(const activation::Custom& a, const T* bias, T* z, T* y, Block block) {
  if (bias) {
    for (Index i = 0; i < block.rows; ++i) {
      for (Index j = 0; j < block.columns; ++j) z[i * block.stride + j] += bias[j];
    }
  }
  const std::vector<T> x = gathered(z, block);
  std::vector<T> out(x.size());
  call_value(a, x.data(), out.data(), block.rows, block.columns);
  for (Index i = 0; i < block.rows; ++i)
    std::copy_n(out.data() + i * block.columns, block.columns, y + i * block.stride);
}

template <class T> void multiply_custom(const activation::Custom& a, const T* z, T* delta, Block block) {
  const std::vector<T> x = gathered(z, block);
  std::vector<T> slope(x.size());
  call_derivative(a, x.data(), slope.data(), block.rows, block.columns);
  for (Index i = 0; i < block.rows; ++i) {
    const T* from = slope.data() + i * block.columns;
    for (Index j = 0; j < block.columns; ++j) delta[i * block.stride + j] *= from[j];
  }
}

}  // namespace

template <class T> void evaluate(const Activation& f, const T* x, T* y, Index n, Index units) {
  if (const auto* custom = std::get_if<activation::Custom>(&f))
    return call_value(*custom, x, y, n / std::max<Index>(units, 1), units);
  constexpr int N = simd::lanes<T>;
  visit_built_in(f, [&](const auto& a) {
    using A = std::decay_t<decltype(a)>;
    for_row<N>(n, [&](Index j, auto count) {
      const auto v = load<T, N>(x + j, count);
      store(value(a, v, default_slope<A, T, N>(a, j, units)), y + j, count);
    });
  });
}

template <class T> void evaluate_derivative(const Activation& f, const T* x, T* d, Index n, Index units) {
  if (const auto* custom = std::get_if<activation::Custom>(&f))
    return call_derivative(*custom, x, d, n / std::max<Index>(units, 1), units);
  constexpr int N = simd::lanes<double>;
  using V = Vec<double, N>;
  visit_built_in(f, [&](const auto& a) {
    using A = std::decay_t<decltype(a)>;
    for (Index j = 0; j < n; j += N) {
      const Index count = std::min<Index>(N, n - j);
      V v(0.0);
      for (Index i = 0; i < count; ++i) v.raw[i] = static_cast<double>(x[j + i]);
      const V slope = plain_derivative(a, v, default_slope<A, double, N>(a, j, units));
      const V out = select(simd::is_nan(v), v, slope);
      for (Index i = 0; i < count; ++i) d[j + i] = static_cast<T>(out[static_cast<int>(i)]);
    }
  });
}

template <class T> void activate(const Activation& f, const T* bias, T* z, T* y, Block block, Slopes<T> slopes) {
  if (const auto* custom = std::get_if<activation::Custom>(&f)) return activate_custom(*custom, bias, z, y, block);
  constexpr int N = simd::lanes<T>;
  using V = Vec<T, N>;
  visit_built_in(f, [&](const auto& a) {
    using A = std::decay_t<decltype(a)>;
    for (Index i = 0; i < block.rows; ++i) {
      T* zi = z + i * block.stride;
      T* yi = y + i * block.stride;
      for_row<N>(block.columns, [&](Index j, auto count) {
        V v = load<T, N>(zi + j, count);
        if (bias) {
          v += load<T, N>(bias + j, count);
          if constexpr (!A::from_output) store(v, zi + j, count);
        }
        V s(T(0));
        if constexpr (A::slope != Slope::none) s = load<T, N>(slopes.data + i * slopes.row_stride + j, count);
        store(value(a, v, s), yi + j, count);
      });
    }
  });
}

template <class T>
void multiply_derivative(const Activation& f, const T* z, const T* y, T* delta, Block block, Slopes<T> slopes,
                         bool surrogates) {
  if (const auto* custom = std::get_if<activation::Custom>(&f)) return multiply_custom(*custom, z, delta, block);
  constexpr int N = simd::lanes<T>;
  using V = Vec<T, N>;
  visit_built_in(f, [&](const auto& a) {
    using A = std::decay_t<decltype(a)>;
    if constexpr (std::is_same_v<A, activation::Identity>) return;
    for (Index i = 0; i < block.rows; ++i) {
      const Index row = i * block.stride;
      for_row<N>(block.columns, [&](Index j, auto count) {
        V s(T(0)), zv(T(0)), yv(T(0));
        if constexpr (A::slope != Slope::none) s = load<T, N>(slopes.data + i * slopes.row_stride + j, count);
        if constexpr (A::from_output) yv = load<T, N>(y + row + j, count);
        else zv = load<T, N>(z + row + j, count);
        store(load<T, N>(delta + row + j, count) * training_derivative(a, zv, yv, s, surrogates), delta + row + j,
              count);
      });
    }
  });
}

#define LAMINA_INSTANTIATE(T)                                                          \
  template void evaluate<T>(const Activation&, const T*, T*, Index, Index);            \
  template void evaluate_derivative<T>(const Activation&, const T*, T*, Index, Index); \
  template void activate<T>(const Activation&, const T*, T*, T*, Block, Slopes<T>);    \
  template void multiply_derivative<T>(const Activation&, const T*, const T*, T*, Block, Slopes<T>, bool);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)
#undef LAMINA_INSTANTIATE

}  // namespace lamina
