/// Networks side by side, the members of an ensemble: a row of outputs is those of each, one after another.
#pragma once

#include "core/types.hpp"
#include "math/losses.hpp"

namespace lamina {

/// The same numbers with a row for every member of every row: row i's are those from row i * members on.
template <class T> Matrix<T> by_member(const Matrix<T>& m, Index members) {
  eigen_assert(m.contiguous() && m.cols() % members == 0);
  return {m.row_data(0), m.rows() * members, m.cols() / members};
}

/// Raw outputs, (rows, outputs), whose predictions are the means of the members': of raw outputs (rows, members x
/// outputs), which are lost. So probabilities and rates are averaged, and a loss of the result is that of the average.
template <class T>
void average_members(Link link, Index members, const Matrix<T>& of_members, const Matrix<T>& average);

}  // namespace lamina
