#include "model/normalization.hpp"

#include <cmath>
#include <limits>
#include <sstream>
#include <stdexcept>
#include <string>

namespace lamina {

namespace {

/// What makes values so small that no sum of them overflows: a power of 2, which leaves their bits alone.
constexpr double room = 0x1p-64;

template <class T> std::string text_of(T number) {
  std::ostringstream text;
  text << number;
  return text.str();
}

}  // namespace

template <class T> void Normalization<T>::apply(const Matrix<const T>& x, Matrix<T> to) const {
  to = (x.rowwise() - means()).rowwise() * scales();
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
    unit_(j) = largest_(j) > 0 ? std::ldexp(1.0, -std::ilogb(largest_(j)) - 2) : 1;
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

#define LAMINA_INSTANTIATE(T)       \
  template struct Normalization<T>; \
  template class ColumnMoments<T>;
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)
#undef LAMINA_INSTANTIATE

}  // namespace lamina
