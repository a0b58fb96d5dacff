#include "model/normalization.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <sstream>
#include <stdexcept>
#include <string>

#include "kernels/row_vectors.hpp"
#include "math/normalized.hpp"

namespace lamina {

namespace {

/// What makes values so small that no sum of them overflows: a power of 2, which leaves their bits alone.
constexpr double room = 0x1p-64;

/// Of a power of 2 that makes the least numbers large: beyond it deviations would be divided by infinity.
constexpr int most_exponent = 1000;

template <class T> std::string text_of(T number) {
  std::ostringstream text;
  text << number;
  return text.str();
}

}  // namespace

template <class T> void Normalization<T>::apply(const Matrix<const T>& x, Matrix<T> to) const {
  constexpr int N = simd::lanes<T>;
  for (Index i = 0; i < x.rows(); ++i) {
    const T* const from = x.row_data(i);
    T* const row = to.row_data(i);
    simd::for_row<N>(x.cols(), [&](Index j, auto count) {
      const auto of = [&](const T* numbers) { return simd::load<T, N>(numbers + j, count); };
      auto u = normalized(of(from), of(mean.data()), of(scale.data()));
      if (limited) u = smoothly_clipped(u, of(limit.data()));
      simd::store(u, row + j, count);
    });
  }
}

template <class T> void Normalization<T>::chain(const Matrix<const T>& x, Matrix<T> slope) const {
  using One = simd::Vec<T, 1>;
  slope.rowwise() *= scales();
  if (!limited) return;
  // d/du u (1 + (u / l)^2)^(-1/2) = (1 + (u / l)^2)^(-3/2)
  for (Index i = 0; i < x.rows(); ++i) {
    for (Index j = 0; j < x.cols(); ++j) {
      const auto at = static_cast<std::size_t>(j);
      if (limit[at] >= no_limit<T>) continue;
      const T share = normalized(One(x(i, j)), One(mean[at]), One(scale[at]))[0] / limit[at],
              square = 1 + share * share;
      slope(i, j) /= square * std::sqrt(square);
    }
  }
}

template <class T> bool Normalization<T>::leaves(Index j) const {
  const auto i = static_cast<std::size_t>(j);
  return mean[i] == T(0) && scale[i] == T(1) && (!limited || limit[i] >= no_limit<T>);
}

template <class T> void Normalization<T>::leave(Index j) {
  const auto i = static_cast<std::size_t>(j);
  mean[i] = T(0);
  scale[i] = T(1);
  if (limited) limit[i] = no_limit<T>;
}

template <class T> void Normalization<T>::check(Index inputs) const {
  const auto wrong = [](const std::string& what) {
    throw std::invalid_argument("input_normalization must be mean and scale by input: " + what);
  };
  const auto n = static_cast<std::size_t>(mean.empty() && scale.empty() ? 0 : inputs);
  if (mean.size() != n || scale.size() != n) {
    wrong("got " + std::to_string(mean.size()) + " and " + std::to_string(scale.size()) + " entries for " +
          std::to_string(n) + " inputs");
  }
  for (std::size_t i = 0; i < n; ++i) {
    if (std::isfinite(mean[i]) && std::isfinite(scale[i]) && scale[i] > 0) continue;
    wrong("both finite, scale greater than 0; got " + text_of(mean[i]) + " and " + text_of(scale[i]) + " for input " +
          std::to_string(i));
  }
  if (!limited) return;
  if (limit.size() != n) wrong("got " + std::to_string(limit.size()) + " limits for " + std::to_string(n) + " inputs");
  for (std::size_t i = 0; i < n; ++i) {
    if (!(limit[i] > 0)) wrong("limits greater than 0; got " + text_of(limit[i]) + " for input " + std::to_string(i));
  }
}

template <class T>
ColumnMoments<T>::ColumnMoments(Index columns)
    : mean_(Eigen::ArrayXd::Zero(columns)),
      small_mean_(mean_),
      off_(mean_),
      square_(mean_),
      largest_(mean_),
      unit_(mean_) {}

template <class T> void ColumnMoments<T>::add(const T* row, double weight) {
  if (weight == 0) return;
  const auto x = Eigen::Map<const Eigen::Array<T, Eigen::Dynamic, 1>>(row, mean_.size()).template cast<double>();
  if (!centred_) {
    weight_ += weight;
    mean_ += weight * x;
    small_mean_ += weight * (room * x);
    largest_ = (x.abs() > largest_).select(x.abs(), largest_);
  } else {
    off_ += weight * (unit_ * (x - mean_));
    square_ += weight * (unit_ * (x - mean_)).square();
  }
}

template <class T> void ColumnMoments<T>::centre() {
  // The sums overflow where numbers are near the largest there is; the small sums lose bits where they are near the
  // least.
  mean_ = mean_.isFinite().select(mean_ / weight_, small_mean_ / (weight_ * room));
  // A power of 2 leaves the bits alone.
  for (Index j = 0; j < mean_.size(); ++j)
    unit_(j) = largest_(j) > 0 ? std::ldexp(1.0, std::min(-std::ilogb(largest_(j)) - 2, most_exponent)) : 1;
  centred_ = true;
}

template <class T> Normalization<T> ColumnMoments<T>::normalization() const {
  Normalization<T> out;
  for (Index j = 0; j < mean_.size(); ++j) {
    const double unit = unit_(j), off = off_(j) / weight_, mean = mean_(j) + off / unit;
    const double deviation = std::sqrt(square_(j) / weight_);
    // Of a constant column the deviations from the mean are what rounding has left of the mean, all the same.
    const double own = square_(j) / weight_ - off * off;
    const double last_places = 4 * std::numeric_limits<double>::epsilon() * std::abs(unit * mean);
    const T scale = static_cast<T>(unit / deviation);
    const bool usable = own > last_places * last_places && scale > 0 && std::isfinite(scale);
    out.mean.push_back(static_cast<T>(mean));
    out.scale.push_back(usable ? scale : T(1));
  }
  return out;
}

namespace {

/// The `share` quantile of sorted values: linear between them; of weighted ones each lies in the middle of its weight.
template <class T> double quantile(const std::vector<std::pair<T, double>>& sorted, double share) {
  const auto value = [&](std::size_t i) { return static_cast<double>(sorted[i].first); };
  double sum = 0;
  for (const auto& [x, weight] : sorted) sum += weight;
  const double first = sorted.front().second / 2, last = sorted.back().second / 2;
  const double wanted = first + share * (sum - first - last);
  double middle = first;  // of the weight of value i
  for (std::size_t i = 0; i + 1 < sorted.size(); ++i) {
    const double next = middle + (sorted[i].second + sorted[i + 1].second) / 2;
    if (wanted <= next) return value(i) + (wanted - middle) / (next - middle) * (value(i + 1) - value(i));
    middle = next;
  }
  return value(sorted.size() - 1);
}

}  // namespace

template <class T> void robust_column(std::vector<std::pair<T, double>>& values, std::size_t at, Normalization<T>& to) {
  std::sort(values.begin(), values.end());
  const double median = quantile(values, 0.5), spread = quantile(values, 0.75) - quantile(values, 0.25);
  const double range = static_cast<double>(values.back().first) - static_cast<double>(values.front().first);
  const T scale = static_cast<T>(spread > 0 ? 1 / spread : 2 / range);
  to.mean[at] = static_cast<T>(median);
  to.scale[at] = range > 0 && scale > 0 && std::isfinite(scale) ? scale : T(1);
  to.limit[at] = static_cast<T>(robust_limit);
}

#define LAMINA_INSTANTIATE(T)                                                                         \
  template void robust_column<T>(std::vector<std::pair<T, double>>&, std::size_t, Normalization<T>&); \
  template struct Normalization<T>;                                                                   \
  template class ColumnMoments<T>;
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)
#undef LAMINA_INSTANTIATE

}  // namespace lamina
