/// The training loop: epochs of mini-batches, validation, early stopping, divergence, interruption.
#pragma once

#include <functional>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "math/optimizers.hpp"
#include "math/schedules.hpp"
#include "math/solvers.hpp"
#include "model/pass.hpp"
#include "train/clipping.hpp"

namespace lamina {

/// What is known at the end of an epoch. A hook may set `learning_rate` (the rate before the schedule), or ask to stop.
struct EpochReport {
  Index epoch = 0;  ///< counted from 1
  double loss = 0;  ///< weighted mean over the epoch's batches as they were seen, penalty included
  double validation_loss = std::numeric_limits<double>::quiet_NaN();
  double learning_rate = 0;
  double seconds = 0;  ///< since the fit began
  bool stop = false;
  std::string stop_reason;
};

/// Early stopping on a monitored value, lower is better.
struct EarlyStop {
  bool active = false;
  Index patience = 10;
  double min_delta = 0;
  bool restore_best = true;
};

struct FitOptions {
  Index epochs = 100;
  Index batch_size = 32;
  Optimizer optimizer = optimizer::Adam{};
  std::optional<FullBatchSolver> solver;  ///< in place of the optimizer: all samples at once, no batches
  PenaltyStrength penalty;
  bool penalty_per_batch = false;  ///< divide the penalty by the batch's weight sum (scikit-learn's alpha)
  Clipping clipping;
  double sam_rho = 0;  ///< sharpness-aware minimisation's radius; 0: off
  EarlyStop early_stop;
  bool shuffle = true;
  bool resume = false;             ///< go on with the optimizer's slots and step count
  bool fit_normalization = false;  ///< take the inputs' mean and deviation from the training samples first
  Index threads = 0;               ///< 0: as many as are useful
  std::uint64_t seed = 0;
  /// The factor of the learning rate; null: 1.
  std::function<double(const Progress&)> schedule;
  /// Called after every epoch, on the calling thread.
  std::function<void(EpochReport&)> on_epoch;
  /// What early stopping looks at; null: the validation loss, or the training loss where there is none.
  std::function<double(const EpochReport&)> monitor;
  /// Called every few hundredths of a second, on the calling thread; may throw, which ends the fit in good order.
  std::function<void()> poll;
};

struct History {
  bool began = false;  ///< whether training was not refused
  std::vector<double> loss, validation_loss, learning_rate;
  Index best_epoch = 0;
  std::string stop_reason = "all epochs done";
  bool diverged = false;
  Index diverged_epoch = 0, diverged_batch = 0, diverged_layer = -1;
  Index evaluations = 0;  ///< of all samples by a full-batch solver; 0 for mini-batches
};

/// An optimizer's memory between fits. Empty, as before the first, after a fit in which an exception broke off the
/// optimizer's step.
template <class T> struct OptimizerMemory {
  std::optional<RunningOptimizer> optimizer;
  std::vector<Arena<T>> slots;  ///< of the optimizer, one number a parameter each
  std::int64_t step = 0;        ///< steps taken so far
  Index epochs = 0;             ///< epochs trained so far, so that a resumed fit shuffles on
  bool alone = false;  ///< whether the last fit ended on one thread because more were slower: the next one starts so
};

/// Trains `network` in place on `train` (its `count` samples, in the order of its index unless shuffled). With
/// validation samples (count > 0) their loss is taken every epoch. `history` is filled as it goes, also when a hook
/// throws: then the best weights are restored first. Throws std::invalid_argument before anything has changed.
template <class T>
void fit(Network<T>& network, const Samples<T>& train, const Samples<T>& validation, const FitOptions& options,
         OptimizerMemory<T>& memory, History& history);

/// The loss (penalty included) and its gradient by every parameter, over all samples as one batch; `gradients` has the
/// arena's size. `input_gradient`, (count, inputs), may be null. Random layers draw as in step 0 of the network's seed;
/// without `surrogates`, step functions have their true derivative.
template <class T>
double loss_and_gradients(const Network<T>& network, const Samples<T>& samples, PenaltyStrength penalty, bool training,
                          bool surrogates, Index threads, T* gradients, T* input_gradient);

}  // namespace lamina
