/// Input normalisation: the one rule that brings inputs to zero mean and unit variance.
#pragma once

#include <utility>
#include <vector>

#include "core/types.hpp"

namespace lamina {

/// How the inputs of a fit are normalised.
enum class Normalizing {
  none,
  standard,  ///< to zero mean and unit variance
  robust,    ///< by median and quartiles, with a smooth clip
};

/// x <- (x - mean) * scale, by column; empty: x as it is. `limited`: then x <- x / sqrt(1 + (x / limit)^2), which lies
/// between -limit and limit; an infinite one leaves x as it is.
template <class T> struct Normalization {
  std::vector<T> mean, scale, limit;
  bool limited = false;

  bool empty() const { return mean.empty(); }
  Vector<const T> means() const { return {mean.data(), static_cast<Index>(mean.size())}; }
  Vector<const T> scales() const { return {scale.data(), static_cast<Index>(scale.size())}; }
  Vector<const T> limits() const { return {limit.data(), static_cast<Index>(limit.size())}; }
  /// The rows of x, normalised, into `to`.
  void apply(const Matrix<const T>& x, Matrix<T> to) const;
  /// The slope by the normalised rows of x, in place, to the slope by x.
  void chain(const Matrix<const T>& x, Matrix<T> slope) const;
  /// Throws std::invalid_argument, which names input_normalization, unless it is empty, or mean and scale have one
  /// finite entry for each of `inputs` columns, and, if limited, limits too, and scales and limits are greater than 0.
  void check(Index inputs) const;
};

extern template struct Normalization<float>;
extern template struct Normalization<double>;

/// Weighted moments of columns, in two passes over the rows, in double: sum_i w_i x_i / sum_i w_i, then the deviations
/// from it, which also correct it by what its rounding was: of a constant column it is the constant itself.
template <class T> class ColumnMoments {
 public:
  explicit ColumnMoments(Index columns);
  /// A row of the first pass, then (after `centre`) of the second. Rows of weight 0 are left out.
  void add(const T* row, double weight);
  /// Ends the first pass.
  void centre();
  /// What follows from both: a column that is constant, or so small that its scale would overflow, gets scale 1.
  Normalization<T> normalization() const;

 private:
  Eigen::ArrayXd mean_, small_mean_;
  Eigen::ArrayXd off_, square_;    // of the deviations, in units of the column; off_ would be 0 if the mean were exact
  Eigen::ArrayXd largest_, unit_;  // 1 / unit_ is a power of 2 of about the size of the column's largest number
  double weight_ = 0;
  bool centred_ = false;
};

/// Where robust normalisation's smooth clip ends: three quartile ranges from the median.
inline constexpr double robust_limit = 3;

/// Column `at` of a robust normalisation from its (value, weight) pairs, which are sorted in place: the median, 1 / the
/// range between the quartiles, or 2 / the whole range where that is 0 (arXiv 2407.04491); a constant column gets scale
/// 1. Rows of weight 0 are not among them.
template <class T> void robust_column(std::vector<std::pair<T, double>>& values, std::size_t at, Normalization<T>& to);

}  // namespace lamina
