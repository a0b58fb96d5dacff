/// Input normalisation: the one rule that brings inputs to zero mean and unit variance.
#pragma once

#include <vector>

#include "core/types.hpp"

namespace lamina {

/// x <- (x - mean) * scale, by column; empty: x as it is.
template <class T> struct Normalization {
  std::vector<T> mean, scale;

  bool empty() const { return mean.empty(); }
  Vector<const T> means() const { return {mean.data(), static_cast<Index>(mean.size())}; }
  Vector<const T> scales() const { return {scale.data(), static_cast<Index>(scale.size())}; }
  /// The rows of x, brought to zero mean and unit variance, into `to`.
  void apply(const Matrix<const T>& x, Matrix<T> to) const;
  /// Throws std::invalid_argument, which names input_normalization, unless it is empty, or both have one finite entry
  /// for each of `inputs` columns and all scales are greater than 0.
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

}  // namespace lamina
