/// Cascade-correlation (Fahlman and Lebiere, NIPS 1990; CMU-CS-90-100): a network that grows its hidden units one by
/// one. Each new unit reads all inputs and all units before it; its incoming weights are frozen once it is installed.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

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

/// When a phase of training ends: after `epochs`, or when the score's relative change stayed under `threshold` for
/// `patience` epochs.
struct PhaseLimits {
  Index epochs = 200, patience = 12;
  double threshold = 0.01;
};

struct CascadeOptions {
  std::vector<Activation> pool;  ///< of candidate c: pool[c % size]
  Index candidates = 8, max_units = 25;
  Activation output = activation::Identity{};  ///< identity or logistic
  bool rprop = false;                          ///< else quickprop
  double output_rate = 1.0;                    ///< quickprop's epsilon is this / rows
  double candidate_rate = 100.0;               ///< ... this / (rows (inputs + units + 1))
  double mu = 2.0, decay = 0.0;
  PhaseLimits output_phase{200, 12, 0.01}, candidate_phase{200, 12, 0.03};
  double tolerance = 0.4;   ///< success: every |y - t| (logistic), or the error index (identity), is at most this
  double deviation = 1.0;   ///< standard deviation of the targets: the error index is the root mean square error / this
  Index unit_patience = 0;  ///< units without a better validation error before growth ends; 0: any number
  double weight_range = 1.0;  ///< candidates start from uniform weights within this of 0
  std::uint64_t seed = 0;
  Index threads = 0;
  /// Called every few hundredths of a second on the calling thread; may throw, which ends growth in good order.
  std::function<void()> poll;
  /// Called after every stage, with `result` filled up to it; false ends growth. May throw like `poll`.
  std::function<bool()> on_stage;
};

/// The network as it grew. Entry k of the lists by stage belongs to the network with k units.
struct CascadeResult {
  std::vector<Activation> units;
  std::vector<double> unit_weights;                 ///< the units' part of the flat parameters
  std::vector<std::vector<double>> output_weights;  ///< by stage: the outputs' part
  std::vector<double> error, validation_error;      ///< by stage: error index
  std::vector<Index> output_epochs;                 ///< by stage
  std::vector<double> correlation;                  ///< by unit: S / sum E^2 when it was installed
  std::vector<Index> candidate_epochs;              ///< by unit: of the candidate that won
  std::vector<Index> wrong;                         ///< by stage: targets missed by more than the tolerance
  Index best = 0;                                   ///< the stage to use
  std::string stop_reason;
  bool diverged = false;
};

/// Patterns and what the outputs should be.
template <class T> struct CascadeSet {
  Matrix<const T> x;  ///< (patterns, inputs)
  Matrix<const T> t;  ///< (patterns, outputs)
};

/// Grows a network on `train`; `held`, for validation, may be empty. `result` is filled as it goes, also when `poll`
/// throws. The same bits for any number of threads. Throws std::invalid_argument for a pool of no candidates, and for
/// no patterns or no outputs.
template <class T>
void fit_cascade(const CascadeSet<T>& train, const CascadeSet<T>& held, const CascadeOptions& options,
                 CascadeResult& result);

/// out (rows, outputs) of the network; `link` false leaves out the outputs' activation. A row's bits depend neither on
/// the rows beside it nor on the threads.
template <class T>
void infer_cascade(const CascadeShape& shape, const Vector<const T>& parameters, const Matrix<const T>& x, bool link,
                   Index threads, Matrix<T> out);

/// S = sum_o |sum_p (V_p - mean V)(E_po - mean E_o)| / max(1, deviation of V) of one candidate unit with weights w
/// (bias first, then one a column of x), and dS/dw in `gradient`, both (1 + columns). E is `error`, (rows, outputs).
/// The divisor is ours: it is 1 for every unit within [-1, 1], and keeps those without bounds from growing for ever.
template <class T>
double cascade_correlation(const Activation& f, const Matrix<const T>& x, const Vector<const T>& w,
                           const Matrix<const T>& error, Vector<T> gradient);

}  // namespace lamina
