/// Fits by the full-batch solvers.
#pragma once

#include "train/trainer.hpp"

namespace lamina {

/// Trains `network` in place by `options.solver`, which must be set, on all samples at once; see `fit`. An epoch is an
/// iteration, the history's learning rate is the length of its step (L-BFGS) or its damping (Levenberg-Marquardt), and
/// the batch size and the order of the samples play no part. Throws std::invalid_argument for what a solver cannot do:
/// schedules, clipping, SAM, an L1 penalty and random layers.
template <class T>
void fit_full_batch(Network<T>& network, const Samples<T>& train, const Samples<T>& validation,
                    const FitOptions& options, History& history);

}  // namespace lamina
