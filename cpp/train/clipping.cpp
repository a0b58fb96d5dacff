#include "train/clipping.hpp"

#include <cmath>
#include <vector>

#include "kernels/reduce.hpp"

namespace lamina {
namespace {

/// Squared norms of the columns of a (rows, columns) matrix, row by row.
template <class T> void column_squares(const T* matrix, Index rows, Index columns, std::vector<double>& out) {
  out.assign(static_cast<std::size_t>(columns), 0.0);
  for (Index i = 0; i < rows; ++i) {
    for (Index j = 0; j < columns; ++j) {
      const auto v = static_cast<double>(matrix[i * columns + j]);
      out[static_cast<std::size_t>(j)] += v * v;
    }
  }
}

template <class T> void clip_units(const clipping::AGC& rule, const Network<T>& network, T* gradients) {
  std::vector<double> weight_norms, gradient_norms;
  for (const NamedParameter& p : network.named_parameters()) {
    if (!p.info.trained || p.layer == network.depth() - 1) continue;
    const Index rows = p.info.rows > 0 ? p.info.rows : 1, columns = p.info.columns;
    T* g = gradients + p.info.offset;
    column_squares(network.parameters().data() + p.info.offset, rows, columns, weight_norms);
    column_squares(g, rows, columns, gradient_norms);
    for (std::size_t j = 0; j < static_cast<std::size_t>(columns); ++j) {
      const double limit = rule.clipping * std::fmax(std::sqrt(weight_norms[j]), rule.epsilon);
      const double norm = std::sqrt(gradient_norms[j]);
      gradient_norms[j] = norm > limit ? limit / std::fmax(norm, 1e-6) : 1.0;
    }
    for (Index i = 0; i < rows; ++i) {
      for (Index j = 0; j < columns; ++j)
        g[i * columns + j] *= static_cast<T>(gradient_norms[static_cast<std::size_t>(j)]);
    }
  }
}

}  // namespace

template <class T> T clip_gradients(const Clipping& clipping, const Network<T>& network, Vector<T> gradients) {
  if (const auto* rule = std::get_if<clipping::ClipNorm>(&clipping)) {
    const double norm = std::sqrt(kernels::sum_of_squares(gradients));
    return static_cast<T>(norm > rule->max_norm ? rule->max_norm / norm : 1.0);
  }
  if (const auto* rule = std::get_if<clipping::AGC>(&clipping)) clip_units(*rule, network, gradients.data());
  return T(1);
}

template float clip_gradients<float>(const Clipping&, const Network<float>&, Vector<float>);
template double clip_gradients<double>(const Clipping&, const Network<double>&, Vector<double>);

}  // namespace lamina
