/// The training loop: epochs of mini-batches, validation, early stopping, divergence, interruption.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "math/metrics.hpp"
#include "math/optimizers.hpp"
#include "math/schedules.hpp"
#include "math/solvers.hpp"
#include "model/infer.hpp"
#include "train/clipping.hpp"
#include "train/segments.hpp"

namespace lamina {

/// What is known at the end of an epoch. A hook may set the last two.
struct EpochReport : Entry {
  static constexpr const char* name = "Epoch";
  Index epoch = 0;
  double loss = 0;
  std::optional<double> validation_loss, score;
  double seconds = 0;
  double learning_rate = 0;
  std::optional<std::string> stop_reason;
  static constexpr auto fields() {
    using R = EpochReport;
    return std::tuple{
        Field{"epoch", &R::epoch, "the epoch, counted from 1"},
        Field{"loss", &R::loss, "weighted mean over the epoch's batches as they were seen, penalty included"},
        Field{"validation_loss", &R::validation_loss, "validation loss; None without a validation set"},
        Field{"score", &R::score, "the metric of the validation samples; None without a metric"},
        Field{"seconds", &R::seconds, "seconds since the fit began"},
        Field{"learning_rate", &R::learning_rate, "the last step's learning rate; set it for the epochs to come",
              Bounds::above(0)},
        Field{"stop_reason", &R::stop_reason, "where it is set, training ends after this epoch"}};
  }
};

/// What says how good an epoch was: the validation loss (the training loss where there is no validation), or the
/// training loss.
enum class Monitor { validation_loss, loss };

/// Early stopping on a monitored value, lower is better.
struct EarlyStop : Entry {
  static constexpr const char* name = "EarlyStop";
  Index patience = 10;
  double min_delta = 0;
  bool restore_best = true;
  Monitor monitor = Monitor::validation_loss;
  bool latest = false;
  static constexpr auto fields() {
    using E = EarlyStop;
    return std::tuple{
        Field{"patience", &E::patience, "epochs without improvement", Bounds::at_least(1)},
        Field{"min_delta", &E::min_delta, "an improvement is a fall by more than this", Bounds::at_least(0)},
        Field{"restore_best", &E::restore_best, "put the best weights back at the end"},
        Field{"monitor", &E::monitor, "what is watched, where it is no metric: 'validation_loss' or 'loss'"},
        Field{"latest", &E::latest, "of equally good epochs the last one counts as the best, not the first"}};
  }
};

/// Called after every epoch, on the calling thread.
using EpochHook = std::function<void(EpochReport&)>;
/// A value to watch in place of a loss, lower is better; called like an epoch hook.
using MonitorHook = std::function<double(const EpochReport&)>;

struct FitOptions : Entry {
  static constexpr const char* name = "FitOptions";
  Index epochs = 100;
  Index batch_size = 32;
  Optimizer optimizer = optimizer::Adam{};
  std::optional<FullBatchSolver> solver;
  Schedule schedule = schedule::Constant{};
  std::optional<schedule::ReduceOnPlateau> plateau;
  Schedule decay_schedule = schedule::Constant{};
  Schedule dropout_schedule = schedule::Constant{};
  FactorsByName rates, decays;
  double average = 0;
  PenaltyStrength penalty;
  bool penalty_per_batch = false;
  Clipping clipping;
  double sam_rho = 0;
  std::optional<EarlyStop> early_stop;
  std::optional<Metric> metric;
  bool shuffle = true;
  bool resume = false;
  Normalizing normalize_inputs = Normalizing::none;
  bool normalize_targets = false;
  Index threads = 0;
  std::uint64_t seed = 0;
  EpochHook on_epoch;
  MonitorHook monitor;
  /// Called every few hundredths of a second, on the calling thread; may throw, which ends the fit in good order.
  std::function<void()> poll;
  /// Called after every step, when weights and memory are those that a copy may have.
  std::function<void()> between_steps;
  static constexpr auto fields() {
    using O = FitOptions;
    return std::tuple{
        Field{"epochs", &O::epochs, "the most to train", Bounds::at_least(1)},
        Field{"batch_size", &O::batch_size, "samples a step", Bounds::at_least(1)},
        Field{"optimizer", &O::optimizer, "what takes the steps"},
        Field{"solver", &O::solver, "in place of the optimizer: all samples at once, no batches"},
        Field{"schedule", &O::schedule, "factor of the learning rate"},
        Field{"plateau", &O::plateau, "what cuts the learning rate when the losses stay"},
        Field{"decay_schedule", &O::decay_schedule, "factor of the optimizer's decoupled decay"},
        Field{"dropout_schedule", &O::dropout_schedule, "factor of the rates of dropout layers, at most 1"},
        Field{"rates", &O::rates, "factors of the learning rate by parameter, layer or kind; 0: frozen"},
        Field{"decays", &O::decays, "factors of decoupled decay, usually 1 for weights and 0 for all else"},
        Field{"average", &O::average,
              "share of the weights' moving average that a step keeps (less in the first steps); what is validated and "
              "kept are the averages. 0: no average",
              Bounds::from_below(0, 1)},
        Field{"penalty", &O::penalty, "L1 and L2 penalty on weights"},
        Field{"penalty_per_batch", &O::penalty_per_batch,
              "divide the penalty by the batch's weight sum (scikit-learn's alpha)"},
        Field{"clipping", &O::clipping, "what keeps gradients small"},
        Field{"sam_rho", &O::sam_rho, "sharpness-aware minimisation's radius; 0: off", Bounds::at_least(0)},
        Field{"early_stop", &O::early_stop, "when to stop before all epochs are done"},
        Field{"metric", &O::metric, "of the validation samples after every epoch, to watch in place of a loss"},
        Field{"shuffle", &O::shuffle, "draw the samples in a new order each epoch"},
        Field{"resume", &O::resume, "go on with the optimizer's slots and step count, which have to be there"},
        Field{"normalize_inputs", &O::normalize_inputs,
              "take the inputs' normalisation from the training samples first: 'none', 'standard' or 'robust'"},
        Field{"normalize_targets", &O::normalize_targets,
              "take the targets' mean, deviation and range from the training samples first"},
        Field{"threads", &O::threads, "0: as many as are useful", Bounds::at_least(0)},
        Field{"seed", &O::seed, "decides shuffling and what layers draw"},
        Field{"on_epoch", &O::on_epoch, "called after every epoch"},
        Field{"monitor", &O::monitor, "gives the value to watch in place of a loss"}};
  }
};

/// What a fit left behind.
struct History : Entry {
  static constexpr const char* name = "History";
  bool began = false;
  std::vector<double> loss, validation_loss, learning_rate, validation_score;
  Index best_epoch = 0;
  std::string stop_reason = "all epochs done";
  bool diverged = false;
  Index diverged_epoch = 0, diverged_batch = 0, diverged_layer = -1;
  Index evaluations = 0;
  static constexpr auto fields() {
    using H = History;
    return std::tuple{
        Field{"began", &H::began, "whether training was not refused"},
        Field{"loss", &H::loss, "training loss by epoch, as in `EpochReport`"},
        Field{"validation_loss", &H::validation_loss, "validation loss by epoch"},
        Field{"learning_rate", &H::learning_rate, "of each epoch's last step"},
        Field{"validation_score", &H::validation_score, "the metric by epoch, where there is one"},
        Field{"best_epoch", &H::best_epoch, "where the watched value was lowest, counted from 1"},
        Field{"stop_reason", &H::stop_reason, "why training ended"},
        Field{"diverged", &H::diverged, "whether the loss stopped being finite"},
        Field{"diverged_epoch", &H::diverged_epoch, "where that was"},
        Field{"diverged_batch", &H::diverged_batch, "its batch; 0: the weights after the epoch's last step"},
        Field{"diverged_layer", &H::diverged_layer, "first layer with outputs that are not finite, or -1"},
        Field{"evaluations", &H::evaluations, "of all samples by a full-batch solver; 0 for mini-batches"}};
  }
};

/// An optimizer's memory between fits. Empty, as before the first, after a fit in which an exception broke off the
/// optimizer's step.
template <class T> struct OptimizerMemory {
  std::optional<RunningOptimizer> optimizer;
  std::vector<Arena<T>> slots;  ///< of the optimizer, one number a parameter each
  std::int64_t step = 0;        ///< steps taken so far
  Index epochs = 0;             ///< epochs trained so far, so that a resumed fit shuffles on
  bool alone = false;  ///< whether the last fit ended on one thread because more were slower: the next one starts so
  /// Whether the network has been trained, here or before it was copied or loaded: a fit that resumes needs the rest
  /// then. One of a new network, as the first turn of a loop is, begins.
  bool trained = false;
};

/// Makes it one that a fit of `n` parameters can go on with: before the first step, unless it is of that optimizer.
template <class T> void begin_memory(OptimizerMemory<T>& memory, const Optimizer& rule, Index n);

template <class T> struct FitCourse;

/// Trains `network` in place on `train` (its `count` samples, in the order of its index unless shuffled). With
/// validation samples (count > 0) their loss is taken every epoch. `history` is filled as it goes, also when a hook
/// throws: then the best weights are restored first. Throws std::invalid_argument before anything has changed. The
/// course (train/checkpoint.hpp) says where to go on, and is told of every epoch's end.
template <class T>
void fit(Network<T>& network, const Samples<T>& train, const Samples<T>& validation, const FitOptions& options,
         OptimizerMemory<T>& memory, History& history, const FitCourse<T>& course);
template <class T>
void fit(Network<T>& network, const Samples<T>& train, const Samples<T>& validation, const FitOptions& options,
         OptimizerMemory<T>& memory, History& history);

/// How the gradient of a loss is taken.
struct GradientOptions : Entry {
  static constexpr const char* name = "GradientOptions";
  PenaltyStrength penalty;
  bool training = true;
  bool surrogates = true;
  Index threads = 0;
  std::function<void()> poll;  ///< as that of a fit
  static constexpr auto fields() {
    using O = GradientOptions;
    return std::tuple{
        Field{"penalty", &O::penalty, "L1 and L2 penalty on weights"},
        Field{"training", &O::training, "batch statistics and dropout, which draws as in step 0 of the network's seed"},
        Field{"surrogates", &O::surrogates,
              "straight-through estimators; false: step functions have their true derivative"},
        Field{"threads", &O::threads, "0: as many as are useful", Bounds::at_least(0)}};
  }
};

/// The loss (penalty included) and its gradient by every parameter, over all samples as one batch; `gradients` has the
/// arena's size. `input_gradient`, (rows of x, inputs), may be empty.
template <class T>
double loss_and_gradients(const Network<T>& network, const Samples<T>& samples, const GradientOptions& options,
                          Vector<T> gradients, Matrix<T> input_gradient);

}  // namespace lamina
