/// The fully connected layer: y = f(x W + b), W of shape (fan_in, fan_out).
#pragma once

#include <string>

#include "math/activations.hpp"
#include "math/initializers.hpp"
#include "model/layer.hpp"

namespace lamina {
namespace layer {

struct Dense : Entry {
  static constexpr const char* name = "Dense";
  static constexpr const char* formula =
      "y = f(z), z = x W + b; ntk: z = x W / sqrt(fan_in) + b; parametric: y = z + a (f(z) - z)";
  static constexpr const char* source =
      "course notes, Activation (1); arXiv 1806.07572 (ntk), arXiv 2407.04491 (parametric)";
  static constexpr int required = 1;
  Index units = 1;
  lamina::Activation activation = activation::Identity{};
  Initializer initializer = initializer::Auto{};
  bool use_bias = true;
  std::string parametrization = "standard";
  bool parametric = false;
  static constexpr auto fields() {
    return std::tuple{Field{"units", &Dense::units, "number of outputs", Bounds::at_least(1)},
                      Field{"activation", &Dense::activation, "name or activation object"},
                      Field{"initializer", &Dense::initializer, "name or initializer object for the weights"},
                      Field{"use_bias", &Dense::use_bias, "whether to add a bias"},
                      Field{"parametrization", &Dense::parametrization,
                            "'standard', or 'ntk': weights of about N(0, 1) are divided by sqrt(fan_in), so that one "
                            "learning rate suits every width"},
                      Field{"parametric", &Dense::parametric, "learn the share a of f, one a unit, from 1 on"}};
  }
  bool ntk() const { return parametrization == "ntk"; }
  void check() const;
  template <class T> std::unique_ptr<Layer<T>> build(Index inputs) const;
};

}  // namespace layer
}  // namespace lamina
