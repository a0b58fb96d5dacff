#include "model/members.hpp"

#include "math/row_lanes.hpp"

namespace lamina {
namespace {

/// Lane by lane log((1 / members) sum_i exp(term(i))), which neither overflows nor underflows.
template <class V, class Term> LAMINA_INLINE V log_mean_exp(Index members, const Term& term) {
  V top = term(0), sum(0);
  for (Index i = 1; i < members; ++i) top = simd::max(top, term(i));
  top = select(top > V(-std::numeric_limits<typename V::Scalar>::infinity()), top, V(0));
  for (Index i = 0; i < members; ++i) sum += simd::exp(term(i) - top);
  return top + simd::log(sum / V(static_cast<typename V::Scalar>(members)));
}

template <class V> LAMINA_INLINE V log_logistic(V y) {
  return simd::min(y, V(0)) - simd::log1p(simd::exp(-simd::abs(y)));
}

/// The average of a row: `y` has a row for every member.
template <class T> void average_row(Link link, const Matrix<T>& y, Vector<T> average) {
  constexpr int N = simd::lanes<T>;
  using V = simd::Vec<T, N>;
  const Index members = y.rows(), n = y.cols();
  if (link == Link::identity) {
    average = y.row(0);
    for (Index i = 1; i < members; ++i) average += y.row(i);
    average /= static_cast<T>(members);
    return;
  }
  if (link == Link::softmax) {
    for (Index i = 0; i < members; ++i) {
      Vector<T> row(y.row_data(i), n);
      const T top = exp_shifted(row.data(), average.data(), n);
      using Sums = ExpSum<simd::Vec<T, 1>>;
      Sums sums;
      for (Index j = 0; j < n; ++j) sums += Sums::of(simd::Vec<T, 1>(average[j]));
      row = (row - top) - sums.logarithm()[0];
    }
  }
  for (Index j = 0; j < n; j += N) {
    const Index count = std::min<Index>(N, n - j);
    const auto raw = [&](Index i) { return V::load_partial(y.row_data(i) + j, count); };
    V mean;
    if (link == Link::logistic) {
      mean = log_mean_exp<V>(members, [&](Index i) { return log_logistic(raw(i)); }) -
             log_mean_exp<V>(members, [&](Index i) { return log_logistic(-raw(i)); });
    } else {
      mean = log_mean_exp<V>(members, raw);
    }
    mean.store_partial(average.data() + j, count);
  }
}

}  // namespace

template <class T>
void average_members(Link link, Index members, const Matrix<T>& of_members, const Matrix<T>& average) {
  for (Index i = 0; i < average.rows(); ++i) {
    average_row<T>(link, {of_members.row_data(i), members, average.cols()}, {average.row_data(i), average.cols()});
  }
}

template void average_members<float>(Link, Index, const Matrix<float>&, const Matrix<float>&);
template void average_members<double>(Link, Index, const Matrix<double>&, const Matrix<double>&);

}  // namespace lamina
