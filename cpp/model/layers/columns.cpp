#include "model/layers/columns.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

namespace lamina {

void check_distinct(const std::vector<Index>& columns, const char* owner) {
  std::vector<Index> sorted = columns;
  std::sort(sorted.begin(), sorted.end());
  const auto twice = std::adjacent_find(sorted.begin(), sorted.end());
  if (twice == sorted.end()) return;
  throw std::invalid_argument(std::string("columns of ") + owner + " must be distinct; got " + std::to_string(*twice) +
                              " more than once");
}

ColumnChoice::ColumnChoice(std::vector<Index> columns, Index inputs, const char* owner) : chosen_(std::move(columns)) {
  std::vector<bool> named(static_cast<std::size_t>(inputs));
  for (const Index column : chosen_) {
    if (column < 0 || column >= inputs) {
      throw std::invalid_argument(std::string("columns of ") + owner + " must be within 0 .. " +
                                  std::to_string(inputs - 1) + ", the layer's inputs; got " + std::to_string(column));
    }
    named[static_cast<std::size_t>(column)] = true;
  }
  for (Index column = 0; column < inputs; ++column) {
    if (!named[static_cast<std::size_t>(column)]) others_.push_back(column);
  }
}

}  // namespace lamina
