/// The samples of a fit or prediction, as the caller has them, and their rows as the passes want them.
#pragma once

#include <functional>

#include "model/network.hpp"

namespace lamina {

/// Samples to work on: rows `index[0..count)` of x, or rows first .. first + count - 1 when index is null. Of a
/// recurrent network a sample is a sequence: `steps` rows of x, of which its first `lengths[sample]` count.
template <class T> struct Samples {
  Matrix<const T> x;
  Targets<T> y;
  Vector<const T> weights;  ///< by sample; empty: 1
  const std::int64_t* index = nullptr;
  Index count = 0;
  Index first = 0;
  Index steps = 1;                        ///< rows of x a sample
  const std::int32_t* lengths = nullptr;  ///< by sample; null: all steps count
  bool each_step = false;                 ///< targets and weights are by row of x, not by sample

  Index sample(Index i) const { return index ? static_cast<Index>(index[i]) : first + i; }
  /// `n` samples from the i-th on.
  Samples slice(Index i, Index n) const {
    Samples s = *this;
    if (index) s.index = index + i;
    else s.first = first + i;
    s.count = n;
    return s;
  }
  Index length(Index sample) const { return lengths ? Index{lengths[sample]} : steps; }
  /// Whether a sample, or one of its steps, has a weight above 0.
  bool counts(Index sample) const {
    if (weights.empty()) return true;
    if (!each_step) return weights[sample] != 0;
    const Index row = sample * steps;
    return !(weights.at({row, row + length(sample)}) == T(0)).all();
  }
  /// What belongs to rows of outputs, one a sample; values are learned as `scale` says.
  TargetRows<T> targets(const TargetScale<T>& scale) const {
    return {y, weights, index, first, scale.empty() ? nullptr : &scale};
  }
  /// The sum of the weights of what has a target, in order, in double.
  double weight_sum() const;
};

/// Copies (and normalises) the rows `part` of the samples to the same rows of `to`, (count, inputs).
template <class T> void load_rows(const Network<T>& network, const Samples<T>& samples, Range part, Matrix<T> to);

/// Whether the samples' rows of x can be read where they are: in order, and not to be normalised.
template <class T> bool usable_in_place(const Network<T>& network, const Samples<T>& samples) {
  return !samples.index && network.normalization().empty();
}

/// The normalisation of the samples' rows: by their weighted moments, or by their weighted median and quartiles; the
/// columns `kept` stay as they are. `poll`, if there is one, is called now and then.
template <class T>
Normalization<T> normalization_of(const Samples<T>& samples, Normalizing how = Normalizing::standard,
                                  const std::function<void()>& poll = {}, const std::vector<Index>& kept = {});

/// How the samples' targets, which are values, are brought to zero mean and unit variance.
template <class T> TargetScale<T> target_scale_of(const Samples<T>& samples);

}  // namespace lamina
