/// Elementary functions of `simd::Vec<T, N>`, for float and double, each evaluated in its own precision.
///
/// All are branch-free and treat every lane alike, so a result depends neither on N nor on the lane. NaN gives NaN,
/// ±inf the limit, odd functions keep ±0, subnormals are neither flushed nor avoided. Errors, as measured by
/// tests/test_elementary.cpp: below 2.2 ULP, erfc and normal_cdf 3 (or 4 where the target has no fma). Polynomials:
/// kernels/coefficients.hpp. Reductions: W. J. Cody and W. Waite, Software Manual for the Elementary Functions (1980).
#pragma once

#include <cstddef>
#include <limits>
#include <utility>

#include "kernels/coefficients.hpp"
#include "kernels/simd.hpp"

namespace lamina::simd {

/// Parts that the functions below share; nothing here is for callers.
namespace detail {

template <class T> inline constexpr int mantissa_bits = std::numeric_limits<T>::digits - 1;
template <class T> inline constexpr int exponent_bias = std::numeric_limits<T>::max_exponent - 1;
/// 1.5 * 2^mantissa_bits: adding it rounds to an integer, which then stands in the lowest bits.
template <class T> inline constexpr T rounder = T(3) * T(std::size_t{1} << (mantissa_bits<T> - 1));
template <class T> inline constexpr T infinity = std::numeric_limits<T>::infinity();

template <class V, class T, std::size_t... I> LAMINA_INLINE V horner(V x, const T* c, std::index_sequence<I...>) {
  constexpr std::size_t last = sizeof...(I);
  V sum(c[last]);
  ((sum = fma(sum, x, V(c[last - 1 - I]))), ...);
  return sum;
}
/// c[0] + c[1] x + c[2] x² + ...
template <class T, int N, std::size_t D> LAMINA_INLINE Vec<T, N> polynomial(Vec<T, N> x, const T (&c)[D]) {
  return horner(x, c, std::make_index_sequence<D - 1>{});
}

/// a * b - product, where product is the rounded a * b: what the rounding lost.
template <class T, int N> LAMINA_INLINE Vec<T, N> product_error(Vec<T, N> a, Vec<T, N> b, Vec<T, N> product) {
  if constexpr (has_fma) {
    return fma(a, b, -product);
  } else {
    // T. J. Dekker (1971): halves of the mantissas multiply exactly.
    const Vec<T, N> splitter(T(std::size_t{1} << (std::numeric_limits<T>::digits + 1) / 2) + T(1));
    const Vec<T, N> a_wide = splitter * a, b_wide = splitter * b;
    const Vec<T, N> a_high = a_wide - (a_wide - a), b_high = b_wide - (b_wide - b);
    const Vec<T, N> a_low = a - a_high, b_low = b - b_high;
    return ((a_high * b_high - product) + a_high * b_low + a_low * b_high) + a_low * b_low;
  }
}

/// x = power * ln 2 + r with abs(r) <= ln(2) / 2, where r = rest - power * ln2_low; `biased` holds power + bias in its
/// lowest bits. `rest` is exact.
template <class T, int N> struct ExpReduction {
  Vec<T, N> biased, power, rest;

  LAMINA_INLINE ExpReduction(Vec<T, N> x, int bias) {
    using C = Coefficients<T>;
    const Vec<T, N> shift(rounder<T> + T(bias));
    biased = fma(x, Vec<T, N>(C::log2_e), shift);
    power = biased - shift;
    rest = fma(power, Vec<T, N>(-C::ln2_high), x);
  }
  LAMINA_INLINE Vec<T, N> r() const { return fma(power, Vec<T, N>(-Coefficients<T>::ln2_low), rest); }
};

/// exp(r) - 1 - r for abs(r) <= ln(2) / 2.
template <class T, int N> LAMINA_INLINE Vec<T, N> exp_beyond_linear(Vec<T, N> r) {
  return r * r * polynomial(r, Coefficients<T>::exp);
}

/// 2^k from a `biased` that holds k + exponent_bias, a normal number's exponent.
template <class T, int N> LAMINA_INLINE Vec<T, N> power_of_two(Vec<T, N> biased) {
  return from_bits(bits(biased) << mantissa_bits<T>);
}

/// x * 2^k from a `biased` that holds k + 2 exponent_bias: in two steps, since 2^k alone may overflow or vanish. Rounds
/// once if x is near 1; then a result below the normal range is the rounded subnormal, one above is inf.
template <class T, int N> LAMINA_INLINE Vec<T, N> scale(Vec<T, N> x, Vec<T, N> biased) {
  const IntVec<T, N> exponent_field = bits(Vec<T, N>(infinity<T>));
  const IntVec<T, N> first = (bits(biased) << (mantissa_bits<T> - 1)) & exponent_field;
  const IntVec<T, N> second = (bits(biased) << mantissa_bits<T>)-first;
  return x * from_bits(first) * from_bits(second);
}

/// Arguments past these give exactly 0 or inf, and keep exponents within the reach of `scale`.
template <class T> inline constexpr T exp_lowest = sizeof(T) == 4 ? T(-104) : T(-746);
template <class T> inline constexpr T exp_highest = sizeof(T) == 4 ? T(89) : T(710);
/// exp(-a²) is 0 from here on, and exp(-a²/2) from the second one on.
template <class T> inline constexpr T square_limit = sizeof(T) == 4 ? T(10.5) : T(28);
template <class T> inline constexpr T half_square_limit = sizeof(T) == 4 ? T(15) : T(39);

/// exp(x) for exp_lowest <= x <= exp_highest or NaN.
template <class T, int N> LAMINA_INLINE Vec<T, N> bounded_exp(Vec<T, N> x) {
  const ExpReduction<T, N> to(x, 2 * exponent_bias<T>);
  const Vec<T, N> r = to.r();
  return scale((exp_beyond_linear(r) + r) + Vec<T, N>(T(1)), to.biased);
}

/// factor * exp(-a b) for a, b >= 0 or NaN and a factor near 1: what the rounding of the product lost, which exp would
/// magnify, is put back.
template <class T, int N> LAMINA_INLINE Vec<T, N> times_exp_of_minus(Vec<T, N> factor, Vec<T, N> a, Vec<T, N> b) {
  using V = Vec<T, N>;
  const V product = a * b;
  const ExpReduction<T, N> to(-product, 2 * exponent_bias<T>);
  const V r = to.rest - fma(to.power, V(Coefficients<T>::ln2_low), product_error(a, b, product));
  return scale(fma(exp_beyond_linear(r) + r, factor, factor), to.biased);
}

/// log((1 + f) 2^k) for sqrt(1/2) <= 1 + f < sqrt(2).
template <class T, int N> LAMINA_INLINE Vec<T, N> log_of(Vec<T, N> f, Vec<T, N> k) {
  using V = Vec<T, N>;
  using C = Coefficients<T>;
  const V s = f / (f + V(T(2)));
  const V z = s * s;
  const V half_square = V(T(0.5)) * f * f;
  // log(1 + f) = 2s + s³P = f - f²/2 + s (f²/2 + s²P), where f is exact and the rest is small.
  const V correction = s * fma(z, polynomial(z, C::log), half_square);
  return fma(k, V(C::ln2_high), f - (half_square - fma(k, V(C::ln2_low), correction)));
}

/// x = m 2^k with sqrt(1/2) <= m < sqrt(2), for positive normal x.
template <class T, int N> struct LogReduction {
  IntVec<T, N> biased;  // k + exponent_bias
  Vec<T, N> m, k;

  LAMINA_INLINE explicit LogReduction(Vec<T, N> x) {
    constexpr int shift = mantissa_bits<T>;
    const IntVec<T, N> lowest = bits(Vec<T, N>(Coefficients<T>::sqrt_half));
    const IntVec<T, N> above = bits(x) - lowest;
    const IntVec<T, N> mantissa_field((Bits<T>(1) << shift) - 1);
    m = from_bits((above & mantissa_field) + lowest);
    biased = shift_right_unsigned(above + IntVec<T, N>(Bits<T>(exponent_bias<T>) << shift), shift);
    // An integer in the lowest bits of 2^mantissa_bits is that float plus 2^mantissa_bits.
    const T offset = T(std::size_t{1} << shift);
    k = from_bits(biased | bits(Vec<T, N>(offset))) - Vec<T, N>(offset + T(exponent_bias<T>));
  }
};

/// y where 0 < x < inf; otherwise what log has there: -inf at ±0, inf at inf, else NaN.
template <class T, int N> LAMINA_INLINE Vec<T, N> with_log_limits(Vec<T, N> x, Vec<T, N> y) {
  using V = Vec<T, N>;
  const V zero(T(0));
  const V outside = select(x == zero, V(-infinity<T>), V(std::numeric_limits<T>::quiet_NaN()));
  return select(x > zero, select(x == V(infinity<T>), x, y), outside);
}

/// exp(a²) erfc(a) for a = (slope + slope_rest) x / 2 and 0 <= a < square_limit, within one ULP or so: the rounding
/// errors of numerator, denominator and quotient are put back, since exp and a product add theirs.
template <class T, int N> LAMINA_INLINE Vec<T, N> erfcx(Vec<T, N> x, T slope, T slope_rest) {
  using V = Vec<T, N>;
  const V one(T(1)), center(T(5) / slope);
  const V d = fma(x, V(slope), one);
  const V d_rest = fma(x, V(slope_rest), fma(x, V(slope), one - d));
  const V inverse = one / ((x + center) * d);
  const V inverse_sum = inverse * d, inverse_d = inverse * (x + center);
  const V t = (x - center) * inverse_sum;
  // 1 + t as 2x / (x + center), since the sum would cancel near 0.
  const V beyond_one = (x + x) * inverse_sum * polynomial(t, Coefficients<T>::erfcx);
  const V p = beyond_one + one;
  const V p_rest = beyond_one + (one - p);
  const V q = p * inverse_d;
  return fma(fma(-q, d, p) + fma(-q, d_rest, p_rest), inverse_d, q);
}

/// x = q pi/2 + r with abs(r) <= pi/4, and from it sin of the angle `turns` quadrants further on.
template <class T, int N> LAMINA_INLINE Vec<T, N> sin_with_quadrants(Vec<T, N> x, Bits<T> turns) {
  using V = Vec<T, N>;
  using I = IntVec<T, N>;
  using C = Coefficients<T>;
  const V biased = fma(x, V(C::two_over_pi), V(rounder<T>));
  const V count = biased - V(rounder<T>);
  V r = fma(count, V(-C::half_pi_high), x);
  r = fma(count, V(-C::half_pi_middle), r);
  r = fma(count, V(-C::half_pi_low), r);
  const V z = r * r;
  const V sine = copysign(fma(r * z, polynomial(z, C::sin), r), r);
  const V cosine = fma(z * z, polynomial(z, C::cos), fma(z, V(T(-0.5)), V(T(1))));
  const I quadrant = bits(biased) + I(turns);
  const V y = select((quadrant & I(1)) == I(0), sine, cosine);
  const I negative = (quadrant & I(2)) << (8 * static_cast<int>(sizeof(T)) - 2);
  return from_bits(bits(y) ^ negative);
}

/// Sine and cosine.
template <class T, int N> struct SineCosine {
  Vec<T, N> sine, cosine;
};

/// Both of r, abs(r) <= pi/4, turned on by the quadrants that the lowest bits of `biased` say.
template <class T, int N> LAMINA_INLINE SineCosine<T, N> sin_cos_in_quadrant(Vec<T, N> r, Vec<T, N> biased) {
  using V = Vec<T, N>;
  using I = IntVec<T, N>;
  using C = Coefficients<T>;
  constexpr int to_sign = 8 * static_cast<int>(sizeof(T)) - 2;
  const V z = r * r;
  const V sine = fma(r * z, polynomial(z, C::sin), r);
  const V cosine = fma(z * z, polynomial(z, C::cos), fma(z, V(T(-0.5)), V(T(1))));
  const I quadrant = bits(biased);
  const Mask<T, N> even = (quadrant & I(1)) == I(0);
  const I sine_negative = (quadrant & I(2)) << to_sign, cosine_negative = ((quadrant + I(1)) & I(2)) << to_sign;
  return {from_bits(bits(select(even, sine, cosine)) ^ sine_negative),
          from_bits(bits(select(even, cosine, sine)) ^ cosine_negative)};
}

}  // namespace detail

/// f(function) for the functions below from a vector to a vector.
#define LAMINA_ELEMENTARY(f)                                                                                         \
  f(exp) f(expm1) f(log) f(log1p) f(tanh) f(logistic) f(atan) f(gaussian) f(erfc) f(normal_cdf) f(normal_pdf) f(sin) \
      f(cos)

// Of vectors without lanes (kernels/trace.hpp). A formula that names a function with its namespace sees what has been
// declared before it alone: so they are declared here, whatever a source or a precompiled header includes first.
#define LAMINA_DECLARED(function) template <class T> Vec<T, 0> function(Vec<T, 0> x);
LAMINA_ELEMENTARY(LAMINA_DECLARED)
#undef LAMINA_DECLARED
template <class T> detail::SineCosine<T, 0> sin_cos_of_turns(Vec<T, 0> x);

/// e^x.
template <class T, int N> LAMINA_INLINE Vec<T, N> exp(Vec<T, N> x) {
  using V = Vec<T, N>;
  return detail::bounded_exp(min(V(detail::exp_highest<T>), max(V(detail::exp_lowest<T>), x)));
}

/// e^x - 1, without cancellation near 0.
template <class T, int N> LAMINA_INLINE Vec<T, N> expm1(Vec<T, N> x) {
  using V = Vec<T, N>;
  // Below this the result is -1. Half of 2^power stays finite, so that only a result that overflows is inf.
  const V lowest(sizeof(T) == 4 ? T(-20) : T(-40));
  const detail::ExpReduction<T, N> to(min(V(detail::exp_highest<T>), max(lowest, x)), detail::exponent_bias<T> - 1);
  const V r = to.r();
  const V r_low = fma(to.power, V(-Coefficients<T>::ln2_low), to.rest - r);
  const V half_power = detail::power_of_two(to.biased);
  const V near_zero = (detail::exp_beyond_linear(r) + r_low) + r;
  const V half = fma(half_power, near_zero, half_power - V(T(0.5)));
  return select(abs(x) < V(std::numeric_limits<T>::epsilon() / 4), x, half + half);
}

/// Natural logarithm; log(±0) = -inf, NaN below 0.
template <class T, int N> LAMINA_INLINE Vec<T, N> log(Vec<T, N> x) {
  using V = Vec<T, N>;
  constexpr int lift = detail::mantissa_bits<T> + 1;
  const Mask<T, N> subnormal = x < V(std::numeric_limits<T>::min());
  const detail::LogReduction<T, N> to(select(subnormal, x * V(T(std::size_t{1} << lift)), x));
  const V k = to.k - select(subnormal, V(T(lift)), V(T(0)));
  return detail::with_log_limits(x, detail::log_of(to.m - V(T(1)), k));
}

/// log(1 + x), without cancellation near 0; -inf at -1, NaN below.
template <class T, int N> LAMINA_INLINE Vec<T, N> log1p(Vec<T, N> x) {
  using V = Vec<T, N>;
  const V sum = x + V(T(1)), quarter(T(0.25));
  const detail::LogReduction<T, N> to(sum);
  // f = (1 + x) / 2^k - 1 from x itself, so that the rounding of the sum is not seen; 4 / 2^k is always normal.
  const IntVec<T, N> field = IntVec<T, N>(Bits<T>(2 * detail::exponent_bias<T> + 2)) - to.biased;
  const V four_over_power = from_bits(field << detail::mantissa_bits<T>);
  const V f = fma(x * quarter, four_over_power, fma(four_over_power, quarter, V(T(-1))));
  const V y = detail::with_log_limits(sum, detail::log_of(f, to.k));
  return select(abs(x) < V(std::numeric_limits<T>::epsilon() / 4), x, y);
}

/// Hyperbolic tangent.
template <class T, int N> LAMINA_INLINE Vec<T, N> tanh(Vec<T, N> x) {
  using V = Vec<T, N>;
  const V one(T(1)), a = abs(x);
  const V z = a * a;
  const V small = fma(a * z, detail::polynomial(z, Coefficients<T>::tanh), a);
  // 1 - 2 / (exp(2a) + 1), which is 1 from here on; from 0.55 on the quotient is below 1/2 and its error halved.
  const V bounded = min(V(sizeof(T) == 4 ? T(10) : T(20)), a);
  const detail::ExpReduction<T, N> to(bounded + bounded, detail::exponent_bias<T>);
  const V r = to.r();
  const V power = detail::power_of_two(to.biased);
  const V large = one - V(T(2)) / fma(power, detail::exp_beyond_linear(r) + r, power + one);
  return copysign(select(a < V(T(0.55)), small, large), x);
}

/// 1 / (1 + e^-x), with full relative accuracy in the left tail.
template <class T, int N> LAMINA_INLINE Vec<T, N> logistic(Vec<T, N> x) {
  using V = Vec<T, N>;
  const V one(T(1));
  const V e = detail::bounded_exp(max(V(detail::exp_lowest<T>), -abs(x)));
  return select(x < V(T(0)), e, one) / (one + e);
}

/// Inverse tangent, in [-pi/2, pi/2].
template <class T, int N> LAMINA_INLINE Vec<T, N> atan(Vec<T, N> x) {
  using V = Vec<T, N>;
  using C = Coefficients<T>;
  const V zero(T(0)), one(T(1)), a = abs(x);
  // atan(a) = pi/4 + atan((a - 1) / (a + 1)) = pi/2 + atan(-1 / a)
  const Mask<T, N> beyond_half = a > V(T(0.5)), beyond_two = a > V(T(2));
  const V numerator = select(beyond_two, -one, select(beyond_half, a - one, a));
  const V denominator = select(beyond_two, a, select(beyond_half, a + one, one));
  const V base = select(beyond_two, V(C::half_pi), select(beyond_half, V(C::half_pi / 2), zero));
  const V base_rest = select(beyond_two, V(C::half_pi_rest), select(beyond_half, V(C::half_pi_rest / 2), zero));
  const V z = numerator / denominator;
  const V square = z * z;
  const V y = fma(z * square, detail::polynomial(square, C::atan), base_rest) + z;
  return copysign(base + y, x);
}

/// e^(-x²); the rounding of x² is compensated.
template <class T, int N> LAMINA_INLINE Vec<T, N> gaussian(Vec<T, N> x) {
  const Vec<T, N> a = min(Vec<T, N>(detail::square_limit<T>), abs(x));
  return detail::times_exp_of_minus(Vec<T, N>(T(1)), a, a);
}

/// Complementary error function, with full relative accuracy in the right tail.
template <class T, int N> LAMINA_INLINE Vec<T, N> erfc(Vec<T, N> x) {
  using V = Vec<T, N>;
  const V a = min(V(detail::square_limit<T>), abs(x));
  const V tail = detail::times_exp_of_minus(detail::erfcx(a, T(2), T(0)), a, a);
  return select(x < V(T(0)), V(T(2)) - tail, tail);
}

/// Distribution function of the standard normal, with full relative accuracy in the left tail.
template <class T, int N> LAMINA_INLINE Vec<T, N> normal_cdf(Vec<T, N> x) {
  using V = Vec<T, N>;
  const V half(T(0.5)), a = min(V(detail::half_square_limit<T>), abs(x));
  const V scaled = detail::erfcx(a, Coefficients<T>::sqrt_two, Coefficients<T>::sqrt_two_rest);
  const V tail = detail::times_exp_of_minus(half * scaled, half * a, a);
  return select(x < V(T(0)), tail, V(T(1)) - tail);
}

/// Density of the standard normal, e^(-x²/2) / sqrt(2 pi).
template <class T, int N> LAMINA_INLINE Vec<T, N> normal_pdf(Vec<T, N> x) {
  using V = Vec<T, N>;
  const V a = min(V(detail::half_square_limit<T>), abs(x));
  return detail::times_exp_of_minus(V(Coefficients<T>::inverse_sqrt_two_pi), V(T(0.5)) * a, a);
}

/// Sine of x radians, for abs(x) <= 6000: absolute error below 2 ULP of 1.
template <class T, int N> LAMINA_INLINE Vec<T, N> sin(Vec<T, N> x) { return detail::sin_with_quadrants(x, Bits<T>(0)); }

/// Cosine of x radians, for abs(x) <= 6000: absolute error below 2 ULP of 1.
template <class T, int N> LAMINA_INLINE Vec<T, N> cos(Vec<T, N> x) { return detail::sin_with_quadrants(x, Bits<T>(1)); }

/// Sine and cosine of x turns, 2 pi x radians: absolute errors below 2 ULP of 1. From 2^20 turns on
/// (2^49 in double), where neighbouring numbers are an eighth of a turn apart or more, all are whole turns.
template <class T, int N> LAMINA_INLINE detail::SineCosine<T, N> sin_cos_of_turns(Vec<T, N> x) {
  using V = Vec<T, N>;
  const V most(T(std::size_t{1} << (detail::mantissa_bits<T> - 3)));
  const V within = min(most, max(-most, x));  // NaN stays NaN
  const V biased = fma(within, V(T(4)), V(detail::rounder<T>));
  const V rest = fma(within, V(T(4)), V(detail::rounder<T>) - biased);  // exact
  return detail::sin_cos_in_quadrant(rest * V(Coefficients<T>::half_pi), biased);
}

/// base^exponent for base > 0, once a step or an epoch.
inline double power(double base, double exponent) {
  using V = Vec<double, 1>;
  return exp(V(exponent * log(V(base))[0]))[0];
}

}  // namespace lamina::simd
