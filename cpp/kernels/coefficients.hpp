/// Polynomials and split constants of kernels/elementary.hpp, in ascending order of degree.
///
/// Written by tools/fit_polynomials.py: do not edit. Run that again after changing an interval, a degree or a form
/// there. Each note gives the form and the largest relative error that the polynomial adds to the function, in ULP.
#pragma once

namespace lamina::simd {

template <class T> struct Coefficients;

template <> struct Coefficients<float> {
  static constexpr float log2_e = 1.44269502f;     // 1 / ln 2
  static constexpr float ln2_high = 0.693145752f;  // ln 2 in two parts
  static constexpr float ln2_low = 1.42860677e-06f;
  static constexpr float two_over_pi = 0.636619747f;
  static constexpr float half_pi_high = 1.5703125f;  // pi/2 in three parts
  static constexpr float half_pi_middle = 0.000483751297f;
  static constexpr float half_pi_low = 7.54979013e-08f;
  static constexpr float half_pi = 1.57079637f;  // and what it lacks to pi/2
  static constexpr float half_pi_rest = -4.37113883e-08f;
  static constexpr float sqrt_half = 0.707106769f;
  static constexpr float sqrt_two = 1.41421354f;  // and what it lacks to sqrt(2)
  static constexpr float sqrt_two_rest = 2.4203235e-08f;
  static constexpr float inverse_sqrt_two_pi = 0.398942292f;

  /// exp(r) = 1 + r + r^2 P(r), abs(r) <= ln(2)/2: 0.12 ULP.
  static constexpr float exp[] = {
      0.5f, 0.166665405f, 0.0416664779f, 0.00836685766f, 0.00139337301f,
  };

  /// log((1+s)/(1-s)) = 2s + s^3 P(s^2), abs(s) <= (sqrt(2)-1)/(sqrt(2)+1): 0.0071 ULP.
  static constexpr float log[] = {
      0.6666677f,
      0.399782002f,
      0.298562795f,
  };

  /// tanh(x) = x + x^3 P(x^2), abs(x) <= 0.55: 0.0094 ULP.
  static constexpr float tanh[] = {
      -0.333333194f, 0.133326381f, -0.0538570434f, 0.021089118f, -0.00629675202f,
  };

  /// atan(z) = z + z^3 P(z^2), abs(z) <= 1/2: 0.046 ULP.
  static constexpr float atan[] = {
      -0.33333239f, 0.199943796f, -0.141766489f, 0.101671234f, -0.0514341444f,
  };

  /// (1+2a) exp(a^2) erfc(a) = 1 + (1+t) P(t), t = (a-2.5)/(a+2.5), 0 <= a <= 27.3: 0.17 ULP.
  static constexpr float erfcx[] = {
      0.264838159f,   -0.387194991f,   0.288172215f,     -0.130540282f,   0.0275508408f,
      0.00518915756f, -0.00415805494f, -0.000128416461f, 0.000450152264f,
  };

  /// sin(r) = r + r^3 P(r^2), abs(r) <= pi/4: 0.034 ULP.
  static constexpr float sin[] = {
      -0.166666552f,
      0.00833218824f,
      -0.000195180197f,
  };

  /// cos(r) = 1 - r^2/2 + r^4 P(r^2), abs(r) <= pi/4: 0.00098 ULP.
  static constexpr float cos[] = {
      0.0416666456f,
      -0.00138873095f,
      2.44323091e-05f,
  };
};

template <> struct Coefficients<double> {
  static constexpr double log2_e = 1.4426950408889634;     // 1 / ln 2
  static constexpr double ln2_high = 0.69314718055966296;  // ln 2 in two parts
  static constexpr double ln2_low = 2.8235290563031577e-13;
  static constexpr double two_over_pi = 0.63661977236758138;
  static constexpr double half_pi_high = 1.5707963267941523;  // pi/2 in three parts
  static constexpr double half_pi_middle = 7.4435474804843907e-13;
  static constexpr double half_pi_low = 2.2324141007458115e-25;
  static constexpr double half_pi = 1.5707963267948966;  // and what it lacks to pi/2
  static constexpr double half_pi_rest = 6.123233995736766e-17;
  static constexpr double sqrt_half = 0.70710678118654757;
  static constexpr double sqrt_two = 1.4142135623730951;  // and what it lacks to sqrt(2)
  static constexpr double sqrt_two_rest = -9.6672933134529135e-17;
  static constexpr double inverse_sqrt_two_pi = 0.3989422804014327;

  /// exp(r) = 1 + r + r^2 P(r), abs(r) <= ln(2)/2: 0.083 ULP.
  static constexpr double exp[] = {
      0.50000000000000056,    0.16666666666666677,    0.041666666666573059,   0.0083333333333214001,
      0.0013888888932661061,  0.0001984126988675412,  2.4801504028065736e-05, 2.7557243535742569e-06,
      2.7626516300378502e-07, 2.5109285330647435e-08,
  };

  /// log((1+s)/(1-s)) = 2s + s^3 P(s^2), abs(s) <= (sqrt(2)-1)/(sqrt(2)+1): 0.006 ULP.
  static constexpr double log[] = {
      0.66666666666667251, 0.39999999999469943, 0.28571428731048565, 0.22222199662775666,
      0.18183510779373946, 0.15315355065450817, 0.14783455197465981,
  };

  /// tanh(x) = x + x^3 P(x^2), abs(x) <= 0.55: 0.0028 ULP.
  static constexpr double tanh[] = {
      -0.33333333333333304,    0.13333333333327368,    -0.053968253964138201,   0.02186948839550297,
      -0.0088632327451096012,  0.0035920933673455509,  -0.0014555508590581019,  0.0005884754310396987,
      -0.00023345596507432192, 8.3417772492340851e-05, -1.9554400959353609e-05,
  };

  /// atan(z) = z + z^3 P(z^2), abs(z) <= 1/2: 0.019 ULP.
  static constexpr double atan[] = {
      -0.33333333333333037,  0.19999999999914042,  -0.14285714277165629,  0.111111106880611,
      -0.090908968567877863, 0.076920822983768011, -0.066638865606909334, 0.058587594723970786,
      -0.051238568695926918, 0.041912364739688159, -0.027504624986097959, 0.010161831806886059,
  };

  /// (1+2a) exp(a^2) erfc(a) = 1 + (1+t) P(t), t = (a-2.5)/(a+2.5), 0 <= a <= 27.3: 0.078 ULP.
  static constexpr double erfcx[] = {
      0.26483818436686146,     -0.3871949474492658,    0.28817040787566484,     -0.13054048885243985,
      0.027573432813914774,    0.00518746045448673,    -0.0042555676395751064,  -0.00012651069621905293,
      0.00061837655134823271,  1.3747746248788696e-05, -0.00010222737033188236, -1.1294737391023263e-05,
      1.7562876602914798e-05,  5.1358127629130519e-06, -2.5342530464582268e-06, -1.681534733728903e-06,
      1.1293727791825636e-07,  4.1182399371585345e-07, 9.7205464659562115e-08,  -6.4020273488657898e-08,
      -3.9152739546795508e-08, 1.3423055011003594e-09, 6.1308068675024636e-09,  1.3221635424359588e-09,
  };

  /// sin(r) = r + r^3 P(r^2), abs(r) <= pi/4: 0.018 ULP.
  static constexpr double sin[] = {
      -0.16666666666666635,   0.0083333333333229648,   -0.00019841269830131643,
      2.7557313776304525e-06, -2.5050768092547352e-08, 1.5897228208861615e-10,
  };

  /// cos(r) = 1 - r^2/2 + r^4 P(r^2), abs(r) <= pi/4: 0.00027 ULP.
  static constexpr double cos[] = {
      0.041666666666666595,    -0.0013888888888873322, 2.4801587288975604e-05,
      -2.7557314205260815e-07, 2.0875703260137419e-09, -1.1358612712747741e-11,
  };
};

}  // namespace lamina::simd
