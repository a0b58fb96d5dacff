#include "train/clipping.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/reduce.hpp"

namespace lamina {
namespace {

/// A number for each of some columns: few enough for the stack.
constexpr Index most_columns = 64;
template <class T> using ColumnArray = Eigen::Array<T, 1, Eigen::Dynamic, Eigen::RowMajor, 1, most_columns>;

/// Norms of the columns, each summed down the rows in double.
template <class T> ColumnArray<double> column_norms(const Matrix<const T>& m) {
  ColumnArray<double> squares = ColumnArray<double>::Zero(m.cols());
  for (Index i = 0; i < m.rows(); ++i) squares += m.row(i).template cast<double>().square();
  return squares.sqrt();
}

/// A unit is a column of its layer's weights, and an element of its biases and gains.
template <class T>
void clip_units(const clipping::AGC& rule, const Matrix<const T>& weights, const Matrix<T>& gradient) {
  for (Index j = 0; j < weights.cols(); j += most_columns) {
    const Range some{j, std::min(j + most_columns, weights.cols())};
    Matrix<T> g = gradient.at_columns(some);
    const ColumnArray<double> w_norm = column_norms<T>(weights.at_columns(some)), g_norm = column_norms<T>(g);
    const ColumnArray<double> limit = rule.clipping * (w_norm > rule.epsilon).select(w_norm, rule.epsilon);
    if ((g_norm <= limit).all()) continue;
    const ColumnArray<double> factor = (g_norm > limit).select(limit / (g_norm < 1e-6).select(1e-6, g_norm), 1.0);
    const ColumnArray<T> rounded = factor.template cast<T>();  // once, not for every row
    g.rowwise() *= rounded;
  }
}

template <class T> void clip_units(const clipping::AGC& rule, const Network<T>& network, Vector<T> gradients) {
  for (const NamedParameter& p : network.named_parameters()) {
    if (!p.info.trained || p.layer == network.depth() - 1) continue;
    for (Index i = 0; i < p.info.members; ++i) {
      const Parameter own = p.info.member(i);
      clip_units<T>(rule, matrix_in(network.parameters().vector(), own), matrix_in(gradients, own));
    }
  }
}

}  // namespace

template <class T> T clip_gradients(const Clipping& clipping, const Network<T>& network, Vector<T> gradients) {
  if (const auto* rule = std::get_if<clipping::ClipNorm>(&clipping)) {
    const double norm = std::sqrt(kernels::sum_of_squares(gradients));
    return static_cast<T>(norm > rule->max_norm ? rule->max_norm / norm : 1.0);
  }
  if (const auto* rule = std::get_if<clipping::AGC>(&clipping)) clip_units(*rule, network, gradients);
  return T(1);
}

template float clip_gradients<float>(const Clipping&, const Network<float>&, Vector<float>);
template double clip_gradients<double>(const Clipping&, const Network<double>&, Vector<double>);

}  // namespace lamina
