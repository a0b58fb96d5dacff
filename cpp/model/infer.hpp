/// Predictions and their losses: rows, or sequences, through all layers, nothing kept.
#pragma once

#include <functional>

#include "math/metrics.hpp"
#include "model/pass.hpp"

namespace lamina {

/// What a prediction gives, and looks after on its way.
struct InferOptions {
  bool link = false;           ///< predictions in place of raw outputs (logits): the inverse link is applied
  bool finite = false;         ///< throw std::domain_error for NaN or infinity in the inputs (where all steps count)
  std::function<void()> poll;  ///< called every few hundredths of a second, on the calling thread; may throw
};

/// Outputs of the samples, (count, outputs), on the team's threads: a sample's bits depend on it alone. Where every
/// step has outputs, `out` is (count * steps, outputs), 0 beyond a sample's length. What a check throws leaves `out`
/// useless.
template <class T>
void infer(const Network<T>& network, kernels::Team& team, const Samples<T>& samples, const InferOptions& options,
           const Matrix<T>& out);

/// The same on up to `threads` threads of its own (0: as many as pay off).
template <class T>
void infer(const Network<T>& network, const Samples<T>& samples, const InferOptions& options, const Matrix<T>& out,
           Index threads);

/// Whether a prediction of these samples takes some tens of microseconds at most: too little to hand anything over for.
template <class T> bool is_short(const Network<T>& network, const Samples<T>& samples);

/// How good predictions are.
struct Evaluation {
  double loss = 0;   ///< weighted mean, without penalty
  double score = 0;  ///< of a metric, where one is asked for
};

/// What a metric looks at: the samples' targets, and predictions, (count, outputs), if they are not null.
template <class T> Scored<T> scored_of(const Network<T>& network, const Samples<T>& samples, const T* predictions);

/// The loss of the samples, and a metric's score, which wants one target a sample. `poll` is as that of a prediction.
template <class T>
Evaluation evaluate_samples(const Network<T>& network, kernels::Team& team, const Samples<T>& samples,
                            const std::function<void()>& poll = {}, const Metric* metric = nullptr);
/// The same on up to `threads` threads of its own (0: as many as pay off).
template <class T>
Evaluation evaluate_samples(const Network<T>& network, const Samples<T>& samples, Index threads,
                            const std::function<void()>& poll = {}, const Metric* metric = nullptr);

}  // namespace lamina
