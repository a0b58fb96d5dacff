/// Numbers as several numbers each: learned functions of one column alone.
#pragma once

#include <string>
#include <vector>

#include "math/activations.hpp"
#include "model/layer.hpp"

namespace lamina {
namespace layer {

struct NumericEmbedding : Entry {
  static constexpr const char* name = "NumericEmbedding";
  static constexpr const char* formula =
      "y = [x_other, x, f(b_u + sum_k w_uk p_k(x))], by column; periodic: p_k = cos(2 pi v_k x + c_k), or cos(2 pi v_k "
      "x) "
      "and sin(2 pi v_k x); linear: p = x; piecewise_linear: p_k = (x - e_k) / (e_(k+1) - e_k), within [0, 1] but for "
      "the "
      "first from below and the last from above, e the quantiles of the training rows";
  static constexpr const char* source =
      "Gorishniy et al., arXiv 2203.05556; with bias and the column itself: Holzmueller et al., arXiv 2407.04491";
  std::vector<Index> columns;
  std::string kind = "periodic";
  Index frequencies = 16, units = 3;
  double sigma = 0.1;
  bool bias = true;
  lamina::Activation activation = activation::Identity{};
  bool keep_input = true;
  static constexpr auto fields() {
    return std::tuple{
        Field{"columns", &NumericEmbedding::columns, "inputs to embed; none named: all", Bounds::at_least(0)},
        Field{"kind", &NumericEmbedding::kind, "'periodic', 'linear' or 'piecewise_linear'"},
        Field{"frequencies", &NumericEmbedding::frequencies, "periodic: frequencies a column; piecewise_linear: bins",
              Bounds::at_least(1)},
        Field{"units", &NumericEmbedding::units, "numbers that a column becomes", Bounds::at_least(1)},
        Field{"sigma", &NumericEmbedding::sigma, "periodic: standard deviation of the first frequencies",
              Bounds::above(0)},
        Field{"bias", &NumericEmbedding::bias, "periodic: cosines with a phase, in place of cosines and sines"},
        Field{"activation", &NumericEmbedding::activation, "name or activation object"},
        Field{"keep_input", &NumericEmbedding::keep_input, "whether the column itself is handed on, too"}};
  }
  void check() const;
  template <class T> std::unique_ptr<Layer<T>> build(Index inputs) const;
};

}  // namespace layer
}  // namespace lamina
