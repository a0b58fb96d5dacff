/// An activation as a layer of its own: y = f(x).
#pragma once

#include "math/activations.hpp"
#include "model/layer.hpp"

namespace lamina {
namespace layer {

struct Activation : Entry {
  static constexpr const char* name = "Activation";
  static constexpr const char* formula = "y = f(x)";
  static constexpr const char* source = "course notes, Activation (1)";
  static constexpr int required = 1;
  lamina::Activation activation = activation::Relu{};
  static constexpr auto fields() {
    return std::tuple{Field{"activation", &Activation::activation, "name or activation object"}};
  }
  template <class T> std::unique_ptr<Layer<T>> build(Index inputs) const;
};

}  // namespace layer
}  // namespace lamina
