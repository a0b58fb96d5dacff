/// Inverted dropout: in training an element is kept with probability 1 - rate and divided by it; else the identity.
#pragma once

#include "core/registry.hpp"
#include "model/layer.hpp"

namespace lamina {
namespace layer {

struct Dropout : Entry {
  static constexpr const char* name = "Dropout";
  static constexpr const char* formula = "training: y = x m / (1 - rate), m ~ Bernoulli(1 - rate); inference: y = x";
  static constexpr const char* source = "course notes, training tricks; Hinton et al. 2012, arXiv 1207.0580";
  double rate = 0.5;
  static constexpr auto fields() {
    return std::tuple{Field{"rate", &Dropout::rate, "share of the inputs set to 0", Bounds::from_below(0, 1)}};
  }
  template <class T> std::unique_ptr<Layer<T>> build(Index inputs) const;
};

}  // namespace layer
}  // namespace lamina
