/// Gradient clipping: by the global norm, or adaptively by unit (AGC). One struct each, then the list.
#pragma once

#include "core/registry.hpp"
#include "model/network.hpp"

namespace lamina {
namespace clipping {

struct None : Entry {
  static constexpr const char* name = "None";
};

struct ClipNorm : Entry {
  static constexpr const char* name = "ClipNorm";
  static constexpr const char* formula = "g <- g min(1, max_norm / ||g||), one norm over all parameters";
  static constexpr const char* source = "arXiv 1211.5063";
  double max_norm = 1.0;
  static constexpr auto fields() {
    return std::tuple{Field{"max_norm", &ClipNorm::max_norm, "largest norm of the gradient", Bounds::above(0)}};
  }
};

struct AGC : Entry {
  static constexpr const char* name = "AGC";
  static constexpr const char* formula =
      "by output unit: if ||G_i|| > clipping max(||W_i||, epsilon), G_i <- G_i clipping max(||W_i||, epsilon) / "
      "||G_i||";
  static constexpr const char* source = "arXiv 2102.06171; the last layer is left out, biases and gains are included";
  double clipping = 0.01, epsilon = 1e-3;
  static constexpr auto fields() {
    return std::tuple{Field{"clipping", &AGC::clipping, "largest ratio of gradient to weight norm", Bounds::above(0)},
                      Field{"epsilon", &AGC::epsilon, "least weight norm", Bounds::above(0)}};
  }
};

}  // namespace clipping

using Clipping = std::variant<clipping::None, clipping::ClipNorm, clipping::AGC>;

/// What remains to be done to the gradient: AGC changes it in place and gives 1, ClipNorm gives the factor to scale by.
template <class T> T clip_gradients(const Clipping& clipping, const Network<T>& network, Vector<T> gradients);

}  // namespace lamina
