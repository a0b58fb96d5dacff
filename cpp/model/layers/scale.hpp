/// A learned factor for each input.
#pragma once

#include "core/registry.hpp"
#include "model/layer.hpp"

namespace lamina {
namespace layer {

struct Scale : Entry {
  static constexpr const char* name = "Scale";
  static constexpr const char* formula = "y = x s, s learned, one factor a column";
  static constexpr const char* source = "arXiv 2407.04491, scaling layer";
  double initial = 1.0;
  static constexpr auto fields() {
    return std::tuple{Field{"initial", &Scale::initial, "the factor that every column starts from"}};
  }
  template <class T> std::unique_ptr<Layer<T>> build(Index inputs) const;
};

}  // namespace layer
}  // namespace lamina
