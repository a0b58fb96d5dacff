/// What a fit is between two epochs: all that the epochs to come depend on, beside its samples and its options. A fit
/// that goes on from there ends with the bits of one that was never broken off.
#pragma once

#include <cmath>
#include <functional>
#include <limits>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "train/trainer.hpp"

namespace lamina {

/// The numbers of it. Draws are functions of steps and epochs, and schedules of progress, so that these say where all
/// of them are.
struct FitPosition : Entry {
  static constexpr const char* name = "FitPosition";
  static constexpr double infinity = std::numeric_limits<double>::infinity();
  Index epoch = 0;
  double seconds = 0;
  bool stopped = false, ended = false;
  bool has_best = false;
  double best_value = infinity, last_improved = infinity;
  Index waited = 0;
  std::int64_t averaged = 0;
  double plateau_best = infinity;
  std::int64_t plateau_waited = 0;
  double rate = 0;
  double loss = 0, damping = 0, radius = 0;
  static constexpr auto fields() {
    using P = FitPosition;
    return std::tuple{
        Field{"epoch", &P::epoch, "epochs done"},
        Field{"seconds", &P::seconds, "that they took"},
        Field{"stopped", &P::stopped, "whether no epoch is to follow"},
        Field{"ended", &P::ended, "whether that is for a reason of the fit's own, and nobody else's"},
        Field{"has_best", &P::has_best, "whether an epoch counts as the best so far"},
        Field{"best_value", &P::best_value, "the lowest value watched"},
        Field{"last_improved", &P::last_improved, "what has to be undercut by min_delta"},
        Field{"waited", &P::waited, "epochs without improvement"},
        Field{"averaged", &P::averaged, "steps in the weights' average"},
        Field{"plateau_best", &P::plateau_best, "the lowest loss that ReduceOnPlateau has seen"},
        Field{"plateau_waited", &P::plateau_waited, "epochs that it has waited since"},
        Field{"rate", &P::rate, "the optimizer's rate, before the schedule"},
        Field{"loss", &P::loss, "a solver's: the loss at the weights"},
        Field{"damping", &P::damping, "that of Levenberg-Marquardt"},
        Field{"radius", &P::radius, "no step of Levenberg-Marquardt may be much longer"},
    };
  }
};

template <class T> struct FitState {
  FitPosition position;
  History history;
  OptimizerMemory<T> memory;  ///< empty for a solver
  Normalization<T> normalization;
  TargetScale<T> target_scale;
  /// By name: the network's parameters and running statistics, those of the best epoch, the weights' average, and what
  /// a solver keeps.
  std::vector<std::pair<std::string, Arena<T>>> arrays;

  /// Throws std::invalid_argument unless a fit of `network` may have come to this.
  void check(const Network<T>& network) const;
  /// Throws std::invalid_argument where there is none of this name and size; of size 0 there always is one.
  const Arena<T>& array(const std::string& name, Index size) const {
    static const Arena<T> none;
    if (size == 0) return none;
    for (const auto& [own, array] : arrays) {
      if (own == name && array.size() == size) return array;
    }
    throw std::invalid_argument("the state of the fit has no " + std::to_string(size) + " numbers '" + name + "'");
  }
  bool has(const std::string& name) const {
    for (const auto& entry : arrays) {
      if (entry.first == name) return true;
    }
    return false;
  }
  /// Adds a copy of what is not empty.
  void keep(const std::string& name, const Arena<T>& array) {
    if (!array.empty()) arrays.emplace_back(name, array);
  }
};

template <class T> void FitState<T>::check(const Network<T>& network) const {
  constexpr double most_counted = 9007199254740992.0, longest = 1e9;  // all can still be counted on; some 30 years
  const auto refuse = [](const FitPosition& p, const auto& member, const Bounds& bounds) {
    for_each_field<FitPosition>([&](const auto& field) {
      if constexpr (std::is_same_v<decltype(field.member), std::decay_t<decltype(member)>>) {
        if (field.member == member) check_number(field.name, FitPosition::name, bounds, p.*member);
      }
    });
  };
  using P = FitPosition;
  const FitPosition& p = position;
  refuse(p, &P::epoch, Bounds::within(1, most_counted));
  refuse(p, &P::waited, Bounds::within(0, most_counted));
  for (const auto count : {&P::averaged, &P::plateau_waited}) refuse(p, count, Bounds::within(0, most_counted));
  refuse(p, &P::seconds, Bounds::within(0, longest));
  for (const auto number : {&P::rate, &P::damping, &P::radius}) refuse(p, number, Bounds::at_least(0));
  refuse(p, &P::loss, Bounds::any());
  for (const auto lowest : {p.best_value, p.last_improved, p.plateau_best}) {
    if (std::isnan(lowest)) throw std::invalid_argument("the lowest values of FitPosition must not be NaN");
  }
  check_number("evaluations", History::name, Bounds::within(0, most_counted), history.evaluations);
  const auto epochs = static_cast<std::size_t>(p.epoch);
  const auto by_epoch = [&](const std::vector<double>& of, bool must) {
    return of.size() == epochs || (of.empty() && !must);
  };
  if (!by_epoch(history.loss, true) || !by_epoch(history.learning_rate, true) ||
      !by_epoch(history.validation_loss, false) || !by_epoch(history.validation_score, false) || !history.began ||
      history.diverged || history.best_epoch < (p.has_best ? 1 : 0) || history.best_epoch > p.epoch)
    throw std::invalid_argument("the history of the fit is not one of " + std::to_string(p.epoch) + " epochs");
  network.check_normalization(normalization);
  network.check_target_scale(target_scale);
  for (const char* const prefix : {"", "best."}) {
    array(std::string(prefix) + "parameters", network.parameters().size());
    array(std::string(prefix) + "state", network.state().size());
  }
}

/// Where a fit begins, and who wants to know how far it has come.
template <class T> struct FitCourse {
  const FitState<T>* from = nullptr;  ///< of a fit of equal samples and options; null: begin at the beginning
  /// Called between two epochs and after the last one, when everybody else has been asked; not where the fit diverged.
  std::function<void(FitState<T>&&)> on_state;
};

}  // namespace lamina
