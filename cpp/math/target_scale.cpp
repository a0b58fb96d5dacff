#include "math/target_scale.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>
#include <string>

#include "kernels/row_vectors.hpp"

namespace lamina {

template <class T> void TargetScale<T>::predict(Matrix<T> outputs) const {
  if (empty()) return;
  constexpr int N = simd::lanes<T>;
  for (Index i = 0; i < outputs.rows(); ++i) {
    T* const row = outputs.row_data(i);
    simd::for_row<N>(outputs.cols(), [&](Index j, auto count) {
      const auto of = [&](const std::vector<T>& part) { return simd::load<T, N>(part.data() + j, count); };
      const auto z = simd::load<T, N>(row + j, count);
      simd::store(predicted_target(z, of(mean), of(deviation), of(low), of(high)), row + j, count);
    });
  }
}

template <class T> void TargetScale<T>::check(Index outputs) const {
  const auto n = static_cast<std::size_t>(empty() ? 0 : outputs);
  bool right = true;
  for_each_field<TargetScale>([&](const auto& field) {
    const std::vector<T>& part = this->*(field.member);
    right = right && part.size() == n &&
            std::all_of(part.begin(), part.end(), [](T value) { return std::isfinite(value); });
  });
  for (std::size_t j = 0; right && j < n; ++j) right = deviation[j] > 0 && low[j] <= high[j];
  if (right) return;
  throw std::invalid_argument(
      "target_scale must be mean, deviation, low and high by output, all finite, deviations "
      "greater than 0 and low at most high, for " +
      std::to_string(outputs) + " outputs");
}

template struct TargetScale<float>;
template struct TargetScale<double>;

}  // namespace lamina
