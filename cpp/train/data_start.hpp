/// The start of a first fit in a network with layers whose initial values follow from the data.
#pragma once

#include <vector>

#include "model/samples.hpp"

namespace lamina {

/// The start of one fit: what it takes to give a network its initial values, and to take them back.
template <class T> class DataStart {
 public:
  explicit DataStart(Network<T>& network) : network_(network) {}

  /// Where it is due: layer after layer, from the first, those that start from data get what the layers before make of
  /// some of the training samples. These are at most 1024 rows, drawn by `seed` as often as their weights say. What
  /// somebody has set since it was drawn stays, and so do the parameters of layers that are `frozen`.
  void run(const Samples<T>& train, std::uint64_t seed, const std::vector<char>& frozen);
  /// What `run` has changed is as it was before: a refused fit changes nothing.
  void take_back();

 private:
  Network<T>& network_;
  bool done_ = false;
  Arena<T> parameters_, state_;  // as they were before
};

}  // namespace lamina
