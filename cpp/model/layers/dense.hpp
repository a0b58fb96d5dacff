/// The fully connected layer: y = f(x W + b), W of shape (fan_in, fan_out).
#pragma once

#include "math/activations.hpp"
#include "math/initializers.hpp"
#include "model/layer.hpp"

namespace lamina {
namespace layer {

struct Dense : Entry {
  static constexpr const char* name = "Dense";
  static constexpr const char* formula = "y = f(x W + b)";
  static constexpr const char* source = "course notes, Activation (1)";
  static constexpr int required = 1;
  Index units = 1;
  lamina::Activation activation = activation::Identity{};
  Initializer initializer = initializer::Auto{};
  bool use_bias = true;
  static constexpr auto fields() {
    return std::tuple{Field{"units", &Dense::units, "number of outputs", Bounds::at_least(1)},
                      Field{"activation", &Dense::activation, "name or activation object"},
                      Field{"initializer", &Dense::initializer, "name or initializer object for the weights"},
                      Field{"use_bias", &Dense::use_bias, "whether to add a bias"}};
  }
  template <class T> std::unique_ptr<Layer<T>> build(Index inputs) const;
};

}  // namespace layer
}  // namespace lamina
