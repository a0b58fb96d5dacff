/// What every fit does between epochs, whatever takes the steps: validation, history, hooks, early stopping,
/// divergence, interruption and the best weights.
#pragma once

#include <chrono>
#include <functional>
#include <limits>
#include <optional>
#include <string>

#include "core/poll.hpp"
#include "train/checkpoint.hpp"
#include "train/trainer.hpp"

namespace lamina {

template <class T> class EpochKeeper {
 public:
  /// Throws std::invalid_argument where the state to go on from is not one of this network.
  EpochKeeper(Network<T>& network, const Samples<T>& validation, const FitOptions& options, History& history,
              kernels::Team& team, const FitCourse<T>& course);

  /// Calls epoch(1), epoch(2), ..., from where the fit is to go on, until all are done or `stop` was called. Then the
  /// best weights are put back where early stopping or divergence asks for it; also when `epoch` throws, before that
  /// goes on to the caller: the first weights, where there are no best ones yet and it was not the poll hook that ended
  /// the fit. `keep` adds to a state what the caller itself goes on from.
  void run(const std::function<void(Index)>& epoch, const std::function<void(FitState<T>&)>& keep);
  /// How far the fit is.
  FitPosition& position() { return at_; }
  /// What the fit goes on from; null where it begins.
  const FitState<T>* from() const { return course_.from; }
  /// Ends an epoch: its losses into the history, the hooks, early stopping. Gives the learning rate that a hook has
  /// set.
  std::optional<double> finish(Index epoch, double loss, double rate);
  /// Ends an epoch, and the fit, by a loss that is not finite; `layer` is the first one with such outputs, or -1.
  /// Batch 0: the loss was finite, the weights after the last step are not, or the running statistics.
  void diverge(Index epoch, Index batch, Index layer, double loss, double rate);
  /// Lets no epoch follow, for a reason of the fit's own: it counts before that of a hook, which may be taken back.
  void end(const std::string& reason);
  bool stopped() const { return at_.stopped; }
  /// Calls the poll hook, but not more often than every few hundredths of a second.
  void poll();
  /// To be called before every step: the first one is where nothing can refuse the fit any more.
  void begin_step() { history_.began = true; }
  /// To be called after every step.
  void end_step();

 private:
  using Clock = std::chrono::steady_clock;

  /// The layer of the first weight, or running statistic (`what`), that is not finite.
  struct NotFinite {
    Index layer;
    const char* what;
  };
  std::optional<NotFinite> first_nonfinite() const;
  void diverge(Index epoch, const std::string& what, Index batch, Index layer, double loss, double rate);
  void watch(Index epoch, double value);
  /// Lets others look at the network, where somebody waits for that.
  void rest() const {
    if (options_.between_steps) options_.between_steps();
  }
  /// Exchanges the weights with their average, where there is one.
  void swap_average();
  void restore_best();
  void stop(const std::string& reason);
  double seconds() const { return std::chrono::duration<double>(Clock::now() - start_).count(); }
  /// Makes network and history those of `from`.
  void go_on();
  FitState<T> state() const;

  Network<T>& network_;
  const Samples<T> validation_;
  const FitOptions& options_;
  History& history_;
  kernels::Team& team_;
  const FitCourse<T>& course_;
  FitPosition at_;
  Arena<T> best_parameters_, best_state_;
  Arena<T> average_;  // of the weights, where it is asked for
  bool interrupted_ = false;
  std::optional<PlateauWatch> plateau_;
  Clock::time_point start_ = Clock::now();
  Poll poll_;
};

}  // namespace lamina
