#include "math/activate.hpp"

#include <algorithm>

#include "kernels/row_vectors.hpp"

namespace lamina {
namespace {

using simd::for_row;
using simd::load;
using simd::store;
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

template <class T>
void activate_custom(const activation::Custom& a, const Vector<const T>& bias, Matrix<T> z, Matrix<T> y) {
  if (z.empty()) return;
  if (!bias.empty()) z.rowwise() += bias;
  const Owned<T> x = z;
  Owned<T> value(x.rows(), x.cols());
  a.functions->value(x.data(), value.data(), x.rows(), x.cols());
  y = value;
}

template <class T> void multiply_custom(const activation::Custom& a, const Matrix<const T>& z, Matrix<T> delta) {
  if (z.empty()) return;
  const Owned<T> x = z;
  Owned<T> derivative(x.rows(), x.cols());
  a.functions->derivative(x.data(), derivative.data(), x.rows(), x.cols());
  delta *= derivative;
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
      store(value(a, v, default_slope<A, T, N>(a, j, x.cols())), to + j, count);
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

template <class T>
void activate(const Activation& f, const Vector<const T>& bias, const Matrix<T>& z, const Matrix<T>& y,
              const Matrix<const T>& slopes) {
  if (const auto* custom = std::get_if<activation::Custom>(&f)) return activate_custom(*custom, bias, z, y);
  constexpr int N = simd::lanes<T>;
  using V = Vec<T, N>;
  const T* const b = bias.empty() ? nullptr : bias.data();
  visit_built_in(f, [&](const auto& a) {
    using A = std::decay_t<decltype(a)>;
    for (Index i = 0; i < z.rows(); ++i) {
      T* const zi = z.row_data(i);
      T* const yi = y.row_data(i);
      for_row<N>(z.cols(), [&](Index j, auto count) {
        V v = load<T, N>(zi + j, count);
        if (b) {
          v += load<T, N>(b + j, count);
          if constexpr (!A::from_output) store(v, zi + j, count);
        }
        V s(T(0));
        if constexpr (A::slope != Slope::none) s = load<T, N>(slopes.row_data(i) + j, count);
        store(value(a, v, s), yi + j, count);
      });
    }
  });
}

template <class T>
void multiply_derivative(const Activation& f, const Matrix<const T>& z, const Matrix<const T>& y,
                         const Matrix<T>& delta, const Matrix<const T>& slopes, bool surrogates) {
  if (const auto* custom = std::get_if<activation::Custom>(&f)) return multiply_custom(*custom, z, delta);
  constexpr int N = simd::lanes<T>;
  using V = Vec<T, N>;
  visit_built_in(f, [&](const auto& a) {
    using A = std::decay_t<decltype(a)>;
    if constexpr (std::is_same_v<A, activation::Identity>) return;
    for (Index i = 0; i < delta.rows(); ++i) {
      T* const d = delta.row_data(i);
      for_row<N>(delta.cols(), [&](Index j, auto count) {
        V s(T(0)), zv(T(0)), yv(T(0));
        if constexpr (A::slope != Slope::none) s = load<T, N>(slopes.row_data(i) + j, count);
        if constexpr (A::from_output) yv = load<T, N>(y.row_data(i) + j, count);
        else zv = load<T, N>(z.row_data(i) + j, count);
        store(load<T, N>(d + j, count) * training_derivative(a, zv, yv, s, surrogates), d + j, count);
      });
    }
  });
}

#define LAMINA_INSTANTIATE(T)                                                                              \
  template void evaluate<T>(const Activation&, const Matrix<const T>&, const Matrix<T>&);                  \
  template void evaluate_derivative<T>(const Activation&, const Matrix<const T>&, const Matrix<T>&);       \
  template void activate<T>(const Activation&, const Vector<const T>&, const Matrix<T>&, const Matrix<T>&, \
                            const Matrix<const T>&);                                                       \
  template void multiply_derivative<T>(const Activation&, const Matrix<const T>&, const Matrix<const T>&,  \
                                       const Matrix<T>&, const Matrix<const T>&, bool);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)
#undef LAMINA_INSTANTIATE

}  // namespace lamina
