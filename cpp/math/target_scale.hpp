/// What brings the targets of a regression to zero mean and unit variance, and predictions back.
#pragma once

#include <vector>

#include "core/registry.hpp"
#include "core/types.hpp"
#include "kernels/simd.hpp"

namespace lamina {

/// mean + deviation z, clamped to [low, high]; NaN stays NaN.
template <class V> LAMINA_INLINE V predicted_target(V z, V mean, V deviation, V low, V high) {
  const V y = mean + deviation * z;
  return select(y < low, low, select(y > high, high, y));
}

/// By output: a target t is learned as (t - mean) / deviation, and an output z predicts mean + deviation z, clamped to
/// [low, high], the range of the targets that this was taken from. Empty: targets as they are.
template <class T> struct TargetScale {
  std::vector<T> mean, deviation, low, high;
  static constexpr auto fields() {
    using S = TargetScale;
    return std::tuple{Field{"mean", &S::mean, "of the targets"}, Field{"deviation", &S::deviation, "from it"},
                      Field{"low", &S::low, "least target"}, Field{"high", &S::high, "largest target"}};
  }

  bool empty() const { return mean.empty(); }
  /// A target of output j, as it is learned.
  T learned(T target, std::size_t j) const { return (target - mean[j]) / deviation[j]; }
  /// Outputs, (rows, outputs), to predictions.
  void predict(Matrix<T> outputs) const;
  /// Throws std::invalid_argument, which names target_scale, unless it is empty, or has one finite entry for each of
  /// `outputs`, deviations greater than 0 and ranges that are none the wrong way round.
  void check(Index outputs) const;
};

extern template struct TargetScale<float>;
extern template struct TargetScale<double>;

}  // namespace lamina
