/// Analytic gradients against central differences.
#pragma once

#include "train/trainer.hpp"

namespace lamina {

/// The derivative of the loss (penalty included) by every parameter, by the five-point central difference (error of
/// order h^4) with steps h max(1, |w|), all other things as in `loss_and_gradients`, on one thread. The network is as
/// it was afterwards.
template <class T>
void central_differences(Network<T>& network, const Samples<T>& samples, const GradientOptions& options, T h,
                         Vector<T> gradients);

}  // namespace lamina
