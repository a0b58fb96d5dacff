/// Batch normalisation: y = gamma (x - mean) / sqrt(variance + epsilon) + beta.
#pragma once

#include "core/registry.hpp"
#include "model/layer.hpp"

namespace lamina {
namespace layer {

struct BatchNorm : Entry {
  static constexpr const char* name = "BatchNorm";
  static constexpr const char* formula =
      "y = gamma (x - mean) / sqrt(variance + epsilon) + beta; training: the batch's (biased), inference: running "
      "values";
  static constexpr const char* source = "course notes, Batch normalization; arXiv 1502.03167";
  double momentum = 0.1, epsilon = 1e-5;
  static constexpr auto fields() {
    return std::tuple{
        Field{"momentum", &BatchNorm::momentum, "share of the batch in the running values", Bounds::within(0, 1)},
        Field{"epsilon", &BatchNorm::epsilon, "added to the variance", Bounds::above(0)}};
  }
  template <class T> std::unique_ptr<Layer<T>> build(Index inputs) const;
};

}  // namespace layer
}  // namespace lamina
