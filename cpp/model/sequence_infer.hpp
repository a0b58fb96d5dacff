/// Predictions of recurrent networks: whole sequences, and one step after another.
#pragma once

#include "model/infer.hpp"

namespace lamina {

/// What `infer` and `evaluate_samples` do for a recurrent network.
template <class T>
void infer_sequences(const Network<T>& network, kernels::Team& team, const Samples<T>& samples,
                     const InferOptions& options, Matrix<T> out);
template <class T>
double evaluate_sequences(const Network<T>& network, kernels::Team& team, const Samples<T>& samples,
                          const std::function<void()>& poll);

/// Memory for predictions of up to `samples` sequences of up to `steps` steps, on one thread.
template <class T> class SequencePass {
 public:
  SequencePass(const Network<T>& network, Index samples, Index steps);

  /// The last layer's raw outputs for the samples, in the order of `sequences()`, by step or by sequence. `state`,
  /// (samples, state_size) a recurrent layer, one after another, is where they start and what they leave; or empty.
  Matrix<T> run(const Network<T>& network, const Samples<T>& samples, Vector<T> state = {});
  const Sequences& sequences() const { return sequences_; }

 private:
  Sequences sequences_;
  Arena<T> memory_;
  T *buffers_[2], *kept_;
  Scratch<T> scratch_;
};

/// Numbers that a sequence carries from one step to the next, in all recurrent layers.
template <class T> Index carried_by(const Network<T>& network);

/// A number of sequences, side by side, whose steps come one at a time.
template <class T> class Stepper {
 public:
  Stepper(const Network<T>& network, Index count);

  Index count() const { return count_; }
  /// What the recurrent layers carry, (count, state_size) each, one after another.
  Arena<T>& state() { return state_; }
  /// The next step: x (count, inputs), out (count, outputs), with the bits that `infer` has for the whole sequences.
  void step(const Network<T>& network, const Matrix<const T>& x, bool link, Matrix<T> out);

 private:
  Index count_;
  Arena<T> state_;
  SequencePass<T> pass_;
};

}  // namespace lamina
