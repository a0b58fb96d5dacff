/// The gradient of the L1 and L2 penalties.
#pragma once

#include "math/optimizers.hpp"
#include "model/network.hpp"

namespace lamina {

/// g += l1 sign(w) + 2 l2 w, for weights alone.
template <class T> void add_penalty(const Network<T>& network, PenaltyStrength penalty, Vector<T> gradients);

}  // namespace lamina
