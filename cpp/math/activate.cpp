#include "math/activate.hpp"

#include <algorithm>

#include "kernels/row_vectors.hpp"

namespace lamina {
namespace {

using simd::for_row;
using simd::load;
using simd::store;
using simd::Vec;

template <class A, class V> LAMINA_INLINE V plain_derivative(const A& a, V x, V s) {
  if constexpr (A::slope == Slope::none) return a.derivative(x);
  else return a.derivative(x, s);
}

/// The slopes from unit `first` on for code that has no layer: those that a layer would start from.
template <class A, class T, int N> LAMINA_INLINE Vec<T, N> default_slope(const A& a, Index first, Index units) {
  Vec<T, N> s(T(0));
  if constexpr (A::slope != Slope::none) {
    for (int i = 0; i < N; ++i) s.raw[i] = static_cast<T>(a.start_slope((first + i) % units));
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

/// A contiguous matrix of one's own, as a custom activation takes and gives it.
template <class T> using Owned = Eigen::Array<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;

/// f(v), or f'(v), of a custom activation, in memory of one's own.
template <class T> Owned<T> custom_value(const activation::Custom& a, const Owned<T>& v) {
  Owned<T> value(v.rows(), v.cols());
  a.functions->value(v.data(), value.data(), v.rows(), v.cols());
  return value;
}
template <class T> Owned<T> custom_derivative(const activation::Custom& a, const Owned<T>& v) {
  Owned<T> derivative(v.rows(), v.cols());
  a.functions->derivative(v.data(), derivative.data(), v.rows(), v.cols());
  return derivative;
}

template <class T> void activate_custom(const activation::Custom& a, const ActivationBlock<T>& block) {
  if (block.z.empty()) return;
  Owned<T> v = block.z;
  if (block.scale != T(1)) v *= block.scale;
  if (!block.bias.empty()) v.rowwise() += block.bias;
  Matrix<T> y = block.y, dy_dz = block.dy_dz, dy_ds = block.dy_ds;
  const Owned<T> value = custom_value(a, v);
  Owned<T> derivative;
  if (!dy_dz.empty()) derivative = custom_derivative(a, v);
  if (block.parametric) {
    const Vector<const T> s(block.slopes.data(), block.slopes.cols());
    const auto rest = T(1) - s;
    y = value.rowwise() * s + v.rowwise() * rest;
    if (dy_dz.empty()) return;
    dy_ds = value - v;
    derivative = (derivative.rowwise() * s).rowwise() + rest;
  } else {
    y = value;
  }
  if (!dy_dz.empty()) dy_dz = derivative * block.scale;
}

template <class A, class = void> inline constexpr bool has_both = false;
template <class A>
inline constexpr bool has_both<A, std::void_t<decltype(std::declval<A>().both(std::declval<Vec<double, 1>>()))>> = true;

/// What training takes of f at v.
template <class A, class V> LAMINA_INLINE Both<V> both(const A& a, V v, V s, bool surrogates) {
  if constexpr (has_both<A>) {
    return a.both(v);
  } else {
    const V y = plain_value(a, v, s);
    if constexpr (A::from_output) return {y, a.derivative_from_output(y)};
    else if constexpr (A::has_surrogate) return {y, surrogates ? a.surrogate(v) : a.derivative(v)};
    else return {y, plain_derivative(a, v, s)};
  }
}

/// body(i, j, count, v) for every vector of the block, v = scale z + bias.
template <class T, class Body> LAMINA_INLINE void for_block(const ActivationBlock<T>& block, Body&& body) {
  constexpr int N = simd::lanes<T>;
  using V = Vec<T, N>;
  const T* const b = block.bias.empty() ? nullptr : block.bias.data();
  const V scale(block.scale);
  for (Index i = 0; i < block.z.rows(); ++i) {
    const T* const zi = block.z.row_data(i);
    for_row<N>(block.z.cols(), [&](Index j, auto count) {
      // With a scale of 1 the fused multiplication is a sum, to the bit.
      const V z = load<T, N>(zi + j, count);
      body(i, j, count, b ? fma(z, scale, load<T, N>(b + j, count)) : z * scale);
    });
  }
}

template <bool parametric, class A, class T> void activate_block(const A& a, const ActivationBlock<T>& block) {
  constexpr int N = simd::lanes<T>;
  using V = Vec<T, N>;
  for_block(block, [&](Index i, Index j, auto count, V v) {
    V s(T(0));
    if constexpr (parametric || A::slope != Slope::none) s = load<T, N>(block.slopes.row_data(i) + j, count);
    store(unit_value<parametric>(a, v, s), block.y.row_data(i) + j, count);
  });
}

template <bool parametric, class A, class T>
void activate_keeping(const A& a, const ActivationBlock<T>& block, bool surrogates) {
  constexpr int N = simd::lanes<T>;
  using V = Vec<T, N>;
  const V scale(block.scale), one(T(1));
  for_block(block, [&](Index i, Index j, auto count, V v) {
    V s(T(0));
    if constexpr (parametric || A::slope != Slope::none) s = load<T, N>(block.slopes.row_data(i) + j, count);
    Both<V> f = both(a, v, s, surrogates);
    if constexpr (parametric) {
      store(f.value - v, block.dy_ds.row_data(i) + j, count);
      // Not v + s (f - v), which would lose digits of a small f where s is 1.
      f = {fma(s, f.value, (one - s) * v), fma(s, f.derivative, one - s)};
    } else if constexpr (A::slope == Slope::learned) {
      store(a.slope_derivative(v), block.dy_ds.row_data(i) + j, count);
    }
    store(f.value, block.y.row_data(i) + j, count);
    store(f.derivative * scale, block.dy_dz.row_data(i) + j, count);
  });
}

/// body(a) of a built-in activation that a block may have: parametric where it has no slope of its own.
template <bool parametric, class F> void visit_usable(const Activation& f, F&& body) {
  visit_built_in(f, [&](const auto& a) {
    if constexpr (!parametric || std::decay_t<decltype(a)>::slope == Slope::none) body(a);
  });
}

template <class A, class T>
void multiply_from_input(const A& a, const Matrix<const T>& z, const Matrix<T>& delta, const Matrix<const T>& slopes) {
  constexpr int N = simd::lanes<T>;
  using V = Vec<T, N>;
  for (Index i = 0; i < delta.rows(); ++i) {
    T* const d = delta.row_data(i);
    for_row<N>(delta.cols(), [&](Index j, auto count) {
      const V v = load<T, N>(z.row_data(i) + j, count);
      V s(T(0)), derivative(T(0));
      if constexpr (A::slope != Slope::none) s = load<T, N>(slopes.row_data(i) + j, count);
      if constexpr (A::has_surrogate) derivative = a.surrogate(v);
      else derivative = plain_derivative(a, v, s);
      store(load<T, N>(d + j, count) * derivative, d + j, count);
    });
  }
}

template <bool scaled, class A, class T>
void multiply_from_output(const A& a, const Matrix<const T>& y, const Matrix<T>& delta, T scale) {
  constexpr int N = simd::lanes<T>;
  for (Index i = 0; i < delta.rows(); ++i) {
    T* const d = delta.row_data(i);
    for_row<N>(delta.cols(), [&](Index j, auto count) {
      auto product = load<T, N>(d + j, count) * a.derivative_from_output(load<T, N>(y.row_data(i) + j, count));
      if constexpr (scaled) product = product * Vec<T, N>(scale);
      store(product, d + j, count);
    });
  }
}

}  // namespace

template <class T> void evaluate(const Activation& f, const Matrix<const T>& x, const Matrix<T>& y) {
  eigen_assert(x.contiguous() && y.contiguous());
  T* const to = y.row_data(0);
  if (const auto* custom = std::get_if<activation::Custom>(&f)) {
    if (!x.empty()) custom->functions->value(x.data(), to, x.rows(), x.cols());
    return;
  }
  constexpr int N = simd::lanes<T>;
  visit_built_in(f, [&](const auto& a) {
    using A = std::decay_t<decltype(a)>;
    for_row<N>(x.size(), [&](Index j, auto count) {
      const auto v = load<T, N>(x.data() + j, count);
      store(unit_value<false>(a, v, default_slope<A, T, N>(a, j, x.cols())), to + j, count);
    });
  });
}

template <class T> void evaluate_derivative(const Activation& f, const Matrix<const T>& x, const Matrix<T>& d) {
  eigen_assert(x.contiguous() && d.contiguous());
  T* const to = d.row_data(0);
  if (const auto* custom = std::get_if<activation::Custom>(&f)) {
    if (!x.empty()) custom->functions->derivative(x.data(), to, x.rows(), x.cols());
    return;
  }
  constexpr int N = simd::lanes<double>;
  using V = Vec<double, N>;
  visit_built_in(f, [&](const auto& a) {
    using A = std::decay_t<decltype(a)>;
    for (Index j = 0; j < x.size(); j += N) {
      const Index count = std::min<Index>(N, x.size() - j);
      V v(0.0);
      for (Index i = 0; i < count; ++i) v.raw[i] = static_cast<double>(x.data()[j + i]);
      const V slope = plain_derivative(a, v, default_slope<A, double, N>(a, j, x.cols()));
      const V out = select(simd::is_nan(v), v, slope);
      for (Index i = 0; i < count; ++i) to[j + i] = static_cast<T>(out[static_cast<int>(i)]);
    }
  });
}

template <class T> void activate(const Activation& f, const ActivationBlock<T>& block) {
  if (const auto* custom = std::get_if<activation::Custom>(&f)) return activate_custom(*custom, block);
  if (block.parametric) visit_usable<true>(f, [&](const auto& a) { activate_block<true>(a, block); });
  else visit_usable<false>(f, [&](const auto& a) { activate_block<false>(a, block); });
}

template <class T> void activate_keeping(const Activation& f, const ActivationBlock<T>& block, bool surrogates) {
  if (const auto* custom = std::get_if<activation::Custom>(&f)) return activate_custom(*custom, block);
  if (block.parametric) visit_usable<true>(f, [&](const auto& a) { activate_keeping<true>(a, block, surrogates); });
  else visit_usable<false>(f, [&](const auto& a) { activate_keeping<false>(a, block, surrogates); });
}

template <class T>
void multiply_derivative(const Activation& f, const Matrix<const T>& z, const Matrix<const T>& y,
                         const Matrix<T>& delta, const Matrix<const T>& slopes) {
  if (const auto* custom = std::get_if<activation::Custom>(&f)) {
    Matrix<T> d = delta;
    if (!z.empty()) d *= custom_derivative<T>(*custom, z);
    return;
  }
  if (derivative_from_output(f)) return multiply_from_output(f, y, delta);
  visit_built_in(f, [&](const auto& a) {
    if constexpr (!std::decay_t<decltype(a)>::from_output) multiply_from_input(a, z, delta, slopes);
  });
}

template <class T>
void multiply_from_output(const Activation& f, const Matrix<const T>& y, const Matrix<T>& delta, T scale) {
  visit_built_in(f, [&](const auto& a) {
    using A = std::decay_t<decltype(a)>;
    if constexpr (A::from_output) {
      if (scale != T(1)) multiply_from_output<true>(a, y, delta, scale);
      else if constexpr (!std::is_same_v<A, activation::Identity>) multiply_from_output<false>(a, y, delta, scale);
    }
  });
}

#define LAMINA_INSTANTIATE(T)                                                                             \
  template void evaluate<T>(const Activation&, const Matrix<const T>&, const Matrix<T>&);                 \
  template void evaluate_derivative<T>(const Activation&, const Matrix<const T>&, const Matrix<T>&);      \
  template void activate<T>(const Activation&, const ActivationBlock<T>&);                                \
  template void activate_keeping<T>(const Activation&, const ActivationBlock<T>&, bool);                  \
  template void multiply_derivative<T>(const Activation&, const Matrix<const T>&, const Matrix<const T>&, \
                                       const Matrix<T>&, const Matrix<const T>&);                         \
  template void multiply_from_output<T>(const Activation&, const Matrix<const T>&, const Matrix<T>&, T);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)
#undef LAMINA_INSTANTIATE

}  // namespace lamina
