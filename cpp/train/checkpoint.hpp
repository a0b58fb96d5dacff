/// What a fit is between two epochs: all that the epochs to come depend on, beside its samples and its options. A fit
/// that goes on from there ends with the bits of one that was never broken off.
#pragma once

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
  bool stopped = false;
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

/// Where a fit begins, and who wants to know how far it has come.
template <class T> struct FitCourse {
  const FitState<T>* from = nullptr;  ///< of a fit of equal samples and options; null: begin at the beginning
  /// Called between two epochs and after the last one, when everybody else has been asked; not where the fit diverged.
  std::function<void(FitState<T>&&)> on_state;
};

}  // namespace lamina
