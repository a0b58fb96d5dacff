/// The vanilla recurrent layer, with feedback from its hidden units (Elman) or from its outputs (Jordan).
#pragma once

#include <optional>
#include <string>

#include "math/activations.hpp"
#include "math/initializers.hpp"
#include "model/layer.hpp"

namespace lamina {
namespace layer {

struct Recurrent : Entry {
  static constexpr const char* name = "Recurrent";
  static constexpr const char* formula =
      "h_t = f(x_t W + r_{t-1} U + b), r_0 = 0; elman: r = h, the output; jordan: r = y, the output, y_t = g(h_t V + "
      "c)";
  static constexpr const char* source =
      "Elman, Cognitive Science 14 (1990); Jordan, ICS report 8604 (1986); course notes, Recurrent networks";
  static constexpr int required = 1;
  Index units = 1;
  lamina::Activation activation = activation::Tanh{};
  std::string kind = "elman";
  bool return_sequences = false;
  std::optional<Index> truncate;
  std::optional<Index> outputs;
  lamina::Activation output_activation = activation::Identity{};
  Initializer initializer = initializer::Auto{};
  Initializer recurrent_initializer = initializer::Orthogonal{};
  bool use_bias = true;
  static constexpr auto fields() {
    return std::tuple{
        Field{"units", &Recurrent::units, "number of hidden units", Bounds::at_least(1)},
        Field{"activation", &Recurrent::activation, "name or activation object of the hidden units"},
        Field{"kind", &Recurrent::kind, "'elman' (the hidden units feed back) or 'jordan' (the outputs do)"},
        Field{"return_sequences", &Recurrent::return_sequences, "the output of every step, or of the last alone"},
        Field{"truncate", &Recurrent::truncate, "cut back-propagation every so many steps; None: never",
              Bounds::at_least(1)},
        Field{"outputs", &Recurrent::outputs, "jordan: number of outputs; None: as many as units", Bounds::at_least(1)},
        Field{"output_activation", &Recurrent::output_activation, "jordan: activation of the outputs"},
        Field{"initializer", &Recurrent::initializer, "for the weights of inputs and outputs"},
        Field{"recurrent_initializer", &Recurrent::recurrent_initializer, "for the weights of the feedback"},
        Field{"use_bias", &Recurrent::use_bias, "whether to add biases"}};
  }
  bool jordan() const { return kind == "jordan"; }
  void check() const;
  template <class T> std::unique_ptr<Layer<T>> build(Index inputs) const;
};

}  // namespace layer
}  // namespace lamina
