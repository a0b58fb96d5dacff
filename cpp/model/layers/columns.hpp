/// Layers that treat some columns of their input each on its own, and hand the others on.
#pragma once

#include <string>
#include <vector>

#include "core/index.hpp"

namespace lamina {

/// Throws std::invalid_argument where `columns` of a layer `owner` has a number twice.
void check_distinct(const std::vector<Index>& columns, const char* owner);

/// Which columns a layer treats, and which of its outputs are the others, in their order, in front.
class ColumnChoice {
 public:
  /// Throws std::invalid_argument where one of `columns` of a layer `owner` is not among its `inputs`.
  ColumnChoice(std::vector<Index> columns, Index inputs, const char* owner);

  /// In the order named.
  const std::vector<Index>& chosen() const { return chosen_; }
  const std::vector<Index>& others() const { return others_; }
  Index count() const { return static_cast<Index>(chosen_.size()); }
  /// Where the outputs of the chosen ones begin.
  Index begin() const { return static_cast<Index>(others_.size()); }

 private:
  std::vector<Index> chosen_, others_;
};

/// The columns of `from` to those of `to`, in the order of `columns`.
template <class T> void gather(const T* from, const std::vector<Index>& columns, T* to) {
  for (std::size_t j = 0; j < columns.size(); ++j) to[j] = from[columns[j]];
}
/// The other way round.
template <class T> void spread(const T* from, const std::vector<Index>& columns, T* to) {
  for (std::size_t j = 0; j < columns.size(); ++j) to[columns[j]] = from[j];
}

}  // namespace lamina
