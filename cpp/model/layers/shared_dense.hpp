/// Dense layers of several networks side by side, the members of an ensemble, which share their weights.
#pragma once

#include <string>

#include "math/activations.hpp"
#include "math/initializers.hpp"
#include "model/layer.hpp"

namespace lamina {
namespace layer {

struct SharedDense : Entry {
  static constexpr const char* name = "SharedDense";
  static constexpr const char* formula =
      "y_i = f((x_i * r_i) W * s_i + b_i) for each member i, x_i = x where they begin; mini: r_i there alone, s_i = 1, "
      "one b; separate: y_i = f(x_i W_i + b_i)";
  static constexpr const char* source = "TabM, arXiv 2410.24210; BatchEnsemble, arXiv 2002.06715";
  static constexpr int required = 1;
  Index units = 1;
  Index members = 32;
  lamina::Activation activation = activation::Identity{};
  std::string kind = "mini";
  std::string start = "signs";
  Initializer initializer = initializer::Auto{};
  bool use_bias = true;
  static constexpr auto fields() {
    return std::tuple{
        Field{"units", &SharedDense::units, "number of outputs of each member", Bounds::at_least(1)},
        Field{"members", &SharedDense::members, "networks side by side", Bounds::at_least(2)},
        Field{"activation", &SharedDense::activation, "name or activation object"},
        Field{"kind", &SharedDense::kind,
              "'mini' (all but the first layer's r is shared), 'full' (W alone is shared) or 'separate' (nothing is)"},
        Field{"start", &SharedDense::start,
              "what r starts from where the members begin: 'signs' or 'normal', drawn; elsewhere 1"},
        Field{"initializer", &SharedDense::initializer, "name or initializer object for the weights"},
        Field{"use_bias", &SharedDense::use_bias, "whether to add biases"}};
  }
  bool full() const { return kind == "full"; }
  bool separate() const { return kind == "separate"; }
  void check() const;
  template <class T> std::unique_ptr<Layer<T>> build(const LayerInput& input) const;
};

}  // namespace layer
}  // namespace lamina
