/// Fits by the full-batch solvers.
#pragma once

#include "train/epochs.hpp"

namespace lamina {

/// What tolerances are measured in, between 0 and 1: the loss of outputs that are all 0, where that is less than 1. So
/// targets of a millionth are not learned as soon as their loss is small beside 1.
template <class T> double loss_unit(const Network<T>& network, const Samples<T>& samples);

/// A fit as a full-batch solver sees it. An iteration is an epoch of `keeper`.
template <class T> struct FitTask {
  Network<T>& network;
  const Samples<T>& train;
  const FitOptions& options;
  EpochKeeper<T>& keeper;
  History& history;
  kernels::Team& team;

  const double weight = train.weight_sum();
  const double l2 = options.penalty_per_batch ? options.penalty.l2 / weight : options.penalty.l2;
  const double unit = loss_unit(network, train);

  /// A training pass over the samples.
  Pass<T> training_pass() const {
    Pass<T> pass;
    pass.training = true;
    pass.seed = options.seed;
    pass.statistics.view(network.state().vector());
    return pass;
  }
};

/// Throws std::invalid_argument for what `options.solver`, which must be set, cannot do with this network: schedules,
/// clipping, SAM, an L1 penalty, random layers, and what Levenberg-Marquardt's matrix does not allow.
template <class T> void check_full_batch(const Network<T>& network, const FitOptions& options);

/// Trains `network` in place by the solver, after that check, on all samples at once; see `fit`. An epoch is an
/// iteration, the history's learning rate is the length of its step (L-BFGS) or its damping (Levenberg-Marquardt), and
/// the batch size and the order of the samples play no part.
template <class T>
void fit_full_batch(Network<T>& network, kernels::Team& team, const Samples<T>& train, const Samples<T>& validation,
                    const FitOptions& options, History& history, const FitCourse<T>& course);

}  // namespace lamina
