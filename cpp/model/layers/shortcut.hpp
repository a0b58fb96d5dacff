/// Dense units beside a shortcut: the layer hands on its inputs and appends units that read them.
#pragma once

#include "math/activations.hpp"
#include "math/initializers.hpp"
#include "model/layer.hpp"

namespace lamina {
namespace layer {

struct Shortcut : Entry {
  static constexpr const char* name = "Shortcut";
  static constexpr const char* formula = "y = [x, f(x W + b)]";
  static constexpr const char* source = "Fahlman and Lebiere, The cascade-correlation learning architecture (1990)";
  static constexpr int required = 1;
  Index units = 1;
  lamina::Activation activation = activation::Identity{};
  Initializer initializer = initializer::Auto{};
  static constexpr auto fields() {
    return std::tuple{Field{"units", &Shortcut::units, "number of units beside the inputs", Bounds::at_least(1)},
                      Field{"activation", &Shortcut::activation, "name or activation object"},
                      Field{"initializer", &Shortcut::initializer, "name or initializer object for the weights"}};
  }
  template <class T> std::unique_ptr<Layer<T>> build(Index inputs) const;
};

}  // namespace layer
}  // namespace lamina
