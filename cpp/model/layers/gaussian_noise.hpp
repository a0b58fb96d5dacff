/// Additive noise: in training every element gets a draw of its own; else the identity.
#pragma once

#include "core/registry.hpp"
#include "model/layer.hpp"

namespace lamina {
namespace layer {

struct GaussianNoise : Entry {
  static constexpr const char* name = "GaussianNoise";
  static constexpr const char* formula = "training: y = x + n, n ~ N(0, deviation^2); inference: y = x";
  static constexpr const char* source = "Bishop, Neural Computation 7 (1995); Keras documentation, GaussianNoise";
  double deviation = 0.1;
  static constexpr auto fields() {
    return std::tuple{
        Field{"deviation", &GaussianNoise::deviation, "standard deviation of the noise", Bounds::at_least(0)}};
  }
  template <class T> std::unique_ptr<Layer<T>> build(Index inputs) const;
};

}  // namespace layer
}  // namespace lamina
