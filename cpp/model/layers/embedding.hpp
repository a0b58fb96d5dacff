/// Categories as learned vectors, or as one column each.
#pragma once

#include <vector>

#include "core/registry.hpp"
#include "model/layer.hpp"

namespace lamina {
namespace layer {

struct Embedding : Entry {
  static constexpr const char* name = "Embedding";
  static constexpr const char* formula =
      "y = [x_other, v_1, v_2, ...]; v_i = W_i[k] for category k = x_i; of at most one_hot categories: one-hot (of "
      "two: "
      "+1, -1); k not within 0 .. categories_i - 1: 0";
  static constexpr const char* source = "Guo and Berkhahn, arXiv 1604.06737; Holzmueller et al., arXiv 2407.04491";
  static constexpr int required = 2;
  /// Every whole number up to here is a float.
  static constexpr Index most_categories = Index{1} << 24;
  std::vector<Index> columns, categories;
  Index units = 8, one_hot = 0;
  static constexpr auto fields() {
    return std::tuple{
        Field{"columns", &Embedding::columns, "inputs that hold numbers of categories, from 0", Bounds::at_least(0)},
        Field{"categories", &Embedding::categories, "how many there are, by column",
              Bounds::within(1, static_cast<double>(most_categories))},
        Field{"units", &Embedding::units, "numbers to learn for each category", Bounds::at_least(1)},
        Field{"one_hot", &Embedding::one_hot, "columns of at most so many categories become one-hot ones",
              Bounds::at_least(0)}};
  }
  void check() const;
  template <class T> std::unique_ptr<Layer<T>> build(Index inputs) const;
};

}  // namespace layer
}  // namespace lamina
