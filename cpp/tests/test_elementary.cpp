/// kernels/elementary.hpp against the long double functions of libm: errors in ULP over sweeps of the whole range,
/// special values, and the same bits from every lane at every width.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "kernels/elementary.hpp"

namespace {

using namespace lamina::simd;
using Wide = long double;

int failures = 0;

/// Counts and prints a failed comparison, the first few of them.
template <class T>
void check(bool passed, const char* function, const char* what, T x, T got, Wide wanted, double error) {
  if (passed) return;
  if (++failures > 40) return;
  std::printf("FAILED %s<%s> (%s) at %.17g (%a): got %.17g, wanted %.20Lg, off by %.3g ULP\n", function,
              sizeof(T) == 4 ? "float" : "double", what, static_cast<double>(x), static_cast<double>(x),
              static_cast<double>(got), wanted, error);
}

template <class T> bool same_bits(T a, T b) {
  return std::memcmp(&a, &b, sizeof(T)) == 0 || (std::isnan(a) && std::isnan(b));
}

/// The distance of neighbouring T at the magnitude of x, the one of subnormals included.
template <class T> Wide ulp_at(T x) {
  using Limits = std::numeric_limits<T>;
  const int exponent = x == T(0) ? Limits::min_exponent - 1 : std::ilogb(x);
  return std::ldexp(Wide(1), std::max(exponent, Limits::min_exponent - 1) - (Limits::digits - 1));
}

/// The error of got in ULP, or inf where NaN, inf or the sign of zero differ.
template <class T> double error_in_ulp(T got, Wide wanted) {
  const T rounded = static_cast<T>(wanted);
  if (!std::isfinite(rounded) || wanted == 0) return same_bits(got, rounded) ? 0.0 : HUGE_VAL;
  if (std::isnan(got)) return HUGE_VAL;
  return static_cast<double>(std::fabs(static_cast<Wide>(got) - wanted) / ulp_at(rounded));
}

/// Every 2999th float.
std::vector<float> sweep(float) {
  std::vector<float> points;
  for (std::uint64_t i = 0; i < (std::uint64_t{1} << 32); i += 2999) {
    const auto pattern = static_cast<std::uint32_t>(i);
    float x;
    std::memcpy(&x, &pattern, sizeof(x));
    points.push_back(x);
  }
  return points;
}

/// Doubles: any bits, log-spaced around 1, and uniform over where the functions bend.
std::vector<double> sweep(double) {
  std::mt19937_64 random(20);
  std::uniform_real_distribution<double> near(-2.0, 2.0), middle(-40.0, 40.0), wide(-760.0, 760.0), decade(-20.0, 4.0);
  std::vector<double> points;
  for (int i = 0; i < 200000; ++i) {
    const std::uint64_t pattern = random();
    double x;
    std::memcpy(&x, &pattern, sizeof(x));
    points.insert(points.end(), {x, near(random), middle(random), wide(random)});
    const double spaced = std::pow(10.0, decade(random));
    points.push_back(i % 2 == 0 ? spaced : -spaced);
  }
  return points;
}

template <class T> std::vector<T> special_values() {
  using Limits = std::numeric_limits<T>;
  std::vector<T> values;
  for (const T x :
       {T(0), Limits::denorm_min(), Limits::min(), Limits::epsilon(), T(0.5), T(0.55), T(1), T(2), T(10), T(88.72283),
        T(103.97208), T(709.782712893384), T(745.1332191019412), Limits::max(), Limits::infinity()}) {
    for (const T y : {x, std::nextafter(x, T(0)), std::nextafter(x, Limits::infinity())}) {
      values.push_back(y);
      values.push_back(-y);
    }
  }
  values.push_back(Limits::quiet_NaN());
  return values;
}

/// f of every point, N lanes at a time.
template <int N, class T, class F> std::vector<T> evaluate(F f, const std::vector<T>& x) {
  std::vector<T> y(x.size());
  const auto size = static_cast<std::ptrdiff_t>(x.size());
  for (std::ptrdiff_t i = 0; i < size; i += N) {
    const std::ptrdiff_t n = std::min<std::ptrdiff_t>(N, size - i);
    f(Vec<T, N>::load_partial(x.data() + i, n)).store_partial(y.data() + i, n);
  }
  return y;
}

/// How the error of a function is judged.
struct Tolerance {
  double ulp = has_fma ? 3.0 : 4.0;
  bool absolute = false;    ///< ULP of 1 instead of ULP of the result
  double reach = HUGE_VAL;  ///< finite points further from 0 are left out
};

template <class T, class F, class R> void test_type(const char* name, F f, R reference, Tolerance tolerance) {
  std::vector<T> x = special_values<T>();
  const std::vector<T> swept = sweep(T{});
  x.insert(x.end(), swept.begin(), swept.end());
  const std::vector<T> y = evaluate<lanes<T>>(f, x);
  const std::vector<T> narrow = evaluate<1>(f, x);
  const std::vector<T> doubled = evaluate<2 * lanes<T>>(f, x);
  double worst = 0.0;
  T worst_at = T(0);
  for (std::size_t i = 0; i < x.size(); ++i) {
    check(same_bits(y[i], narrow[i]), name, "one lane differs", x[i], narrow[i], y[i], 0.0);
    check(same_bits(y[i], doubled[i]), name, "twice the lanes differ", x[i], doubled[i], y[i], 0.0);
    if (std::isfinite(x[i]) && std::fabs(static_cast<double>(x[i])) > tolerance.reach) continue;
    const Wide wanted = reference(static_cast<Wide>(x[i]));
    double error = error_in_ulp(y[i], wanted);
    if (tolerance.absolute && std::isfinite(wanted) && std::isfinite(error)) {
      error = static_cast<double>(std::fabs(static_cast<Wide>(y[i]) - wanted) / std::numeric_limits<T>::epsilon());
    }
    check(error <= tolerance.ulp, name, "error", x[i], y[i], wanted, error);
    if (error > worst) {
      worst = error;
      worst_at = x[i];
    }
  }
  std::printf("%-12s %-6s %9.3f ULP at %.9g\n", name, sizeof(T) == 4 ? "float" : "double", worst,
              static_cast<double>(worst_at));
}

template <class F, class R> void test(const char* name, F f, R reference, Tolerance tolerance = {}) {
  test_type<float>(name, f, reference, tolerance);
  test_type<double>(name, f, reference, tolerance);
}

/// exp(-scale x²) with the rounding of the square put back, which would be seen in double.
Wide exp_of_square(Wide x, Wide scale) {
  const Wide square = x * x;
  if (!(square < 20000)) return std::isnan(x) ? x : Wide(0);
  return std::exp(-scale * square) * (1 - scale * std::fma(x, x, -square));
}

/// erfc(-x / sqrt(2)) / 2 with the rounding of the argument put back.
Wide normal_cdf_reference(Wide x) {
  if (!(std::fabs(x) < 100)) return std::isnan(x) ? x : Wide(x > 0);
  const Wide root = std::sqrt(Wide(0.5));
  const Wide root_rest = std::fma(-root, root, Wide(0.5)) / (2 * root);
  const Wide z = -x * root;
  const Wide z_rest = std::fma(-x, root, -z) - x * root_rest;
  return (std::erfc(z) - z_rest * std::exp(-z * z) / std::sqrt(std::atan(Wide(1)))) / 2;
}

/// Values that must be exact, not only near.
template <class T> void test_exact() {
  const T inf = std::numeric_limits<T>::infinity();
  const auto equal = [](const char* name, T x, T got, T wanted) {
    check(same_bits(got, wanted), name, "exact value", x, got, wanted, 0.0);
  };
  using V = Vec<T, 1>;
  const auto at = [](T x) { return V(x); };
  for (const T zero : {T(0), -T(0)}) {
    equal("exp", zero, exp(at(zero))[0], T(1));
    equal("expm1", zero, expm1(at(zero))[0], zero);
    equal("log", zero, log(at(zero))[0], -inf);
    equal("log1p", zero, log1p(at(zero))[0], zero);
    equal("tanh", zero, tanh(at(zero))[0], zero);
    equal("logistic", zero, logistic(at(zero))[0], T(0.5));
    equal("atan", zero, atan(at(zero))[0], zero);
    equal("erfc", zero, erfc(at(zero))[0], T(1));
    equal("normal_cdf", zero, normal_cdf(at(zero))[0], T(0.5));
    equal("gaussian", zero, gaussian(at(zero))[0], T(1));
    equal("sin", zero, sin(at(zero))[0], zero);
    equal("cos", zero, cos(at(zero))[0], T(1));
    equal("sin of turns", zero, std::fabs(sin_cos_of_turns(at(zero)).sine[0]), T(0));
    equal("cos of turns", zero, sin_cos_of_turns(at(zero)).cosine[0], T(1));
  }
  const T largest = std::numeric_limits<T>::max();
  for (const T whole : {T(1), T(-3), T(1024), largest, -largest, inf, -inf}) {
    equal("sin of turns", whole, std::fabs(sin_cos_of_turns(at(whole)).sine[0]), T(0));
    equal("cos of turns", whole, sin_cos_of_turns(at(whole)).cosine[0], T(1));
  }
  equal("exp", -inf, exp(at(-inf))[0], T(0));
  equal("expm1", -inf, expm1(at(-inf))[0], T(-1));
  equal("tanh", -inf, tanh(at(-inf))[0], T(-1));
  equal("logistic", inf, logistic(at(inf))[0], T(1));
  equal("erfc", -inf, erfc(at(-inf))[0], T(2));
  equal("normal_cdf", inf, normal_cdf(at(inf))[0], T(1));
  equal("log", T(1), log(at(T(1)))[0], T(0));
  equal("log1p", T(-1), log1p(at(T(-1)))[0], -inf);
}

}  // namespace

int main() {
  test("exp", [](auto x) { return exp(x); }, [](Wide x) { return std::exp(x); });
  test("expm1", [](auto x) { return expm1(x); }, [](Wide x) { return std::expm1(x); });
  test("log", [](auto x) { return log(x); }, [](Wide x) { return std::log(x); });
  test("log1p", [](auto x) { return log1p(x); }, [](Wide x) { return std::log1p(x); });
  test("tanh", [](auto x) { return tanh(x); }, [](Wide x) { return std::tanh(x); });
  test("logistic", [](auto x) { return logistic(x); }, [](Wide x) { return 1 / (1 + std::exp(-x)); });
  test("atan", [](auto x) { return atan(x); }, [](Wide x) { return std::atan(x); });
  test("gaussian", [](auto x) { return gaussian(x); }, [](Wide x) { return exp_of_square(x, 1); });
  test("erfc", [](auto x) { return erfc(x); }, [](Wide x) { return std::erfc(x); });
  test("normal_cdf", [](auto x) { return normal_cdf(x); }, normal_cdf_reference);
  const Wide peak = 1 / std::sqrt(8 * std::atan(Wide(1)));
  test("normal_pdf", [](auto x) { return normal_pdf(x); }, [peak](Wide x) { return peak * exp_of_square(x, 0.5L); });
  const Tolerance angles{2.0, true, 6000.0};
  test("sin", [](auto x) { return sin(x); }, [](Wide x) { return std::sin(x); }, angles);
  test("cos", [](auto x) { return cos(x); }, [](Wide x) { return std::cos(x); }, angles);
  // A whole number of turns takes nothing away, and what is left is exact.
  const auto radians = [](Wide turns) {
    return std::isinf(turns) ? 0 : (turns - std::nearbyint(turns)) * 8 * std::atan(Wide(1));
  };
  const Tolerance turns{2.0, true, 0x1p20};
  test(
      "sin of turns", [](auto x) { return sin_cos_of_turns(x).sine; }, [=](Wide x) { return std::sin(radians(x)); },
      turns);
  test(
      "cos of turns", [](auto x) { return sin_cos_of_turns(x).cosine; }, [=](Wide x) { return std::cos(radians(x)); },
      turns);
  test_exact<float>();
  test_exact<double>();
  if (failures > 0) std::printf("%d comparisons failed\n", failures);
  return failures > 0 ? 1 : 0;
}
