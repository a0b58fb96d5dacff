/// Cascade-correlation (Fahlman and Lebiere, NIPS 1990; CMU-CS-90-100): a network that grows its hidden units one by
/// one. Each new unit reads all inputs and all units before it; its incoming weights are frozen once it is installed.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "core/registry.hpp"
#include "core/types.hpp"
#include "math/activations.hpp"

namespace lamina {

/// What a grown network is, beside its weights. These are one flat array: for unit k its bias and inputs + k weights,
/// then for each output its bias and inputs + units weights. A learned slope stays at its start and a random one at its
/// mean; a slope of alternating sign goes by the unit's position.
struct CascadeShape {
  Index inputs = 0, outputs = 0;
  std::vector<Activation> units;  ///< in the order of installation
  Activation output = activation::Identity{};

  Index size() const { return static_cast<Index>(units.size()); }
  /// Where unit k's bias is.
  Index unit_offset(Index k) const { return k * (inputs + 1) + k * (k - 1) / 2; }
  /// Weights of one output, bias included.
  Index output_fan_in() const { return 1 + inputs + size(); }
  Index parameters() const { return unit_offset(size()) + outputs * output_fan_in(); }
};

/// When a phase of training ends.
struct PhaseLimits : Entry {
  static constexpr const char* name = "PhaseLimits";
  Index epochs = 200, patience = 12;
  double threshold = 0.01;
  static constexpr auto fields() {
    using P = PhaseLimits;
    return std::tuple{Field{"epochs", &P::epochs, "the most that it takes", Bounds::at_least(1)},
                      Field{"patience", &P::patience, "epochs without a change of the score", Bounds::at_least(1)},
                      Field{"threshold", &P::threshold, "the relative change that counts as one", Bounds::at_least(0)}};
  }
};

/// Called after every stage, with `CascadeResult` filled up to it; false ends growth. May throw like `poll`.
using StageHook = std::function<bool()>;

struct CascadeOptions : Entry {
  static constexpr const char* name = "CascadeOptions";
  std::vector<Activation> pool = std::vector<Activation>(1, activation::Tanh{});
  Index candidates = 8, max_units = 25;
  Activation output = activation::Identity{};
  bool rprop = false;
  double output_rate = 1.0, candidate_rate = 0.5;
  double mu = 2.0, decay = 0.0;
  PhaseLimits output_phase{{}, 200, 12, 0.01}, candidate_phase{{}, 200, 12, 0.03};
  double tolerance = 0.4, deviation = 1.0;
  Index unit_patience = 0;
  double weight_range = 1.0;
  std::uint64_t seed = 0;
  Index threads = 0;
  StageHook on_stage;
  /// Called every few hundredths of a second on the calling thread; may throw, which ends growth in good order.
  std::function<void()> poll;
  bool is_logistic() const { return std::holds_alternative<activation::Logistic>(output); }
  static constexpr auto fields() {
    using O = CascadeOptions;
    return std::tuple{
        Field{"pool", &O::pool, "activations of the candidates, in turn: candidate c has pool[c % size]"},
        Field{"candidates", &O::candidates, "units trained for each one installed", Bounds::at_least(1)},
        Field{"max_units", &O::max_units, "where growth ends at the latest", Bounds::at_least(0)},
        Field{"output", &O::output, "activation of the outputs: identity or logistic"},
        Field{"rprop", &O::rprop, "train by Rprop, not by quickprop"},
        Field{"output_rate", &O::output_rate, "quickprop's rate of the outputs, times the rows as they count",
              Bounds::above(0)},
        Field{"candidate_rate", &O::candidate_rate,
              "of a candidate, whose slope is divided by the sum of E^2 already, times its weights", Bounds::above(0)},
        Field{"mu", &O::mu, "quickprop's largest growth of a step", Bounds::above(0)},
        Field{"decay", &O::decay, "quickprop's weight decay", Bounds::at_least(0)},
        Field{"output_phase", &O::output_phase, "when the outputs are trained"},
        Field{"candidate_phase", &O::candidate_phase, "when the candidates are trained"},
        Field{"tolerance", &O::tolerance,
              "solved: every |y - t| (logistic), or the error index (identity), is at most this", Bounds::at_least(0)},
        Field{"deviation", &O::deviation, "of the targets: the error index is the root mean square error over this",
              Bounds::above(0)},
        Field{"unit_patience", &O::unit_patience,
              "units without a better validation error before growth ends; 0: any number", Bounds::at_least(0)},
        Field{"weight_range", &O::weight_range, "candidates start from uniform weights within this of 0",
              Bounds::above(0)},
        Field{"seed", &O::seed, "decides where the candidates start"},
        Field{"threads", &O::threads, "0: as many as are useful", Bounds::at_least(0)},
        Field{"on_stage", &O::on_stage, "called after every stage; false ends growth"}};
  }
  void check() const {
    if (pool.empty()) throw std::invalid_argument("pool of CascadeOptions must hold at least one activation");
    if (!is_logistic() && !std::holds_alternative<activation::Identity>(output))
      throw std::invalid_argument("output of CascadeOptions must be identity or logistic; got " + name_of(output));
  }
};

/// The network as it grew. Entry k of the lists by stage belongs to the network with k units; a stage is in all of them
/// or in none.
struct CascadeResult : Entry {
  static constexpr const char* name = "CascadeResult";
  std::vector<Activation> units;
  std::vector<double> unit_weights;
  std::vector<std::vector<double>> output_weights;
  std::vector<double> error, validation_error, wrong, correlation;
  std::vector<Index> output_epochs, candidate_epochs;
  Index best_units = 0;
  std::string stop_reason = "interrupted";
  bool diverged = false;
  static constexpr auto fields() {
    using R = CascadeResult;
    return std::tuple{
        Field{"units", &R::units, "activations of the units, in the order of installation"},
        Field{"unit_weights", &R::unit_weights, "the units' part of the flat parameters"},
        Field{"output_weights", &R::output_weights, "by stage: the outputs' part"},
        Field{"error", &R::error, "by stage: error index"},
        Field{"validation_error", &R::validation_error, "by stage: error index of the validation set"},
        Field{"wrong", &R::wrong, "by stage: targets missed by more than the tolerance, by their weights"},
        Field{"correlation", &R::correlation, "by unit: S / sum E^2 when it was installed"},
        Field{"output_epochs", &R::output_epochs, "by stage"},
        Field{"candidate_epochs", &R::candidate_epochs, "by unit: of the candidate that won"},
        Field{"best_units", &R::best_units, "the stage to use"},
        Field{"stop_reason", &R::stop_reason, "why growth ended"},
        Field{"diverged", &R::diverged, "whether the error stopped being finite"}};
  }
};

/// Patterns, what the outputs should be, and how often each pattern counts as given.
template <class T> struct CascadeSet {
  Matrix<const T> x;        ///< (patterns, inputs)
  Matrix<const T> t;        ///< (patterns, outputs)
  Vector<const T> weights;  ///< (patterns), all greater than 0; empty: all 1
};

/// Grows a network on `train`; `held`, for validation, may be empty. `result` is filled as it goes, also when `poll`
/// throws. Where it already holds a growth on the same sets with the same options, that goes on after its last stage,
/// of which `on_stage` hears once more: the same bits as of a growth that was never broken off. The same bits for any
/// number of threads. Throws std::invalid_argument, before anything is done, for options out of their bounds, no
/// patterns, no outputs, sets that do not go together, weights that are not greater than 0, and a `result` that is none
/// of such a growth.
template <class T>
void fit_cascade(const CascadeSet<T>& train, const CascadeSet<T>& held, const CascadeOptions& options,
                 CascadeResult& result);

/// How predictions are asked for.
struct CascadeInferOptions {
  bool link = true;  ///< false leaves out the outputs' activation
  Index threads = 0;
  std::function<void()> poll;  ///< called every few hundredths of a second, on the calling thread; may throw
};

/// out (rows, outputs) of the network. A row's bits depend neither on the rows beside it nor on the threads.
template <class T>
void infer_cascade(const CascadeShape& shape, const Vector<const T>& parameters, const Matrix<const T>& x,
                   const CascadeInferOptions& options, Matrix<T> out);

/// S = sum_o |sum_p c_p (V_p - mean V)(E_po - mean E_o)| / max(1, deviation of V) of one candidate unit with weights w
/// (bias first, then one a column of x), and dS/dw in `gradient`, both (1 + columns). E is `errors.t`, and pattern p
/// counts c_p = errors.weights times, in the means and in the deviation, too. The divisor is ours: it is 1 for every
/// unit within [-1, 1], and keeps those without bounds from growing for ever.
template <class T>
double cascade_correlation(const Activation& f, const CascadeSet<T>& errors, const Vector<const T>& w,
                           Vector<T> gradient);

}  // namespace lamina
