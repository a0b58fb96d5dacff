/// An activation as a layer of its own: y = f(x), or parametric.
#pragma once

#include "math/activations.hpp"
#include "model/layer.hpp"

namespace lamina {
namespace layer {

struct Activation : Entry {
  static constexpr const char* name = "Activation";
  static constexpr const char* formula = "y = f(x); parametric: y = x + a (f(x) - x)";
  static constexpr const char* source = "course notes, Activation (1)";
  static constexpr int required = 1;
  lamina::Activation activation = activation::Relu{};
  bool parametric = false;
  static constexpr auto fields() {
    return std::tuple{Field{"activation", &Activation::activation, "name or activation object"},
                      Field{"parametric", &Activation::parametric, "learn the share a of f, one a unit, from 1 on"}};
  }
  void check() const;
  template <class T> std::unique_ptr<Layer<T>> build(Index inputs) const;
};

}  // namespace layer
}  // namespace lamina
