/// Which parameters a penalty is on, and its gradient.
#pragma once

#include <vector>

#include "math/optimizers.hpp"
#include "model/network.hpp"

namespace lamina {

/// Runs of parameters that a step treats alike: weights (penalised, decayed) and the rest.
struct Segment {
  Range range;
  bool is_weight;
};
template <class T> std::vector<Segment> segments_of(const Network<T>& network);

/// g += l1 sign(w) + 2 l2 w, for weights alone.
template <class T> void add_penalty(const Network<T>& network, PenaltyStrength penalty, Vector<T> gradients);

}  // namespace lamina
