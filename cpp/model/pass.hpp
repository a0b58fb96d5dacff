/// Running a network over rows: training passes (with everything kept for the gradients) and predictions.
#pragma once

#include <functional>
#include <vector>

#include "kernels/threads.hpp"
#include "model/network.hpp"
#include "model/sequences.hpp"

namespace lamina {

/// Samples to work on: rows `index[0..count)` of x, or rows first .. first + count - 1 when index is null. Of a
/// recurrent network a sample is a sequence: `steps` rows of x, of which its first `lengths[sample]` count.
template <class T> struct Samples {
  Rows<T> x;
  Targets<T> y;
  const T* weights = nullptr;  ///< by sample; null: 1
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
  /// The sum of the weights of what has a target, in order, in double.
  double weight_sum() const;
};

/// Rows are shared among threads in multiples of this: the height of the product kernels' tiles.
inline constexpr Index row_grain = 8;

/// Copies (and normalises) the rows `part` of the samples to `to`.
template <class T> void load_rows(const Network<T>& network, const Samples<T>& samples, Range part, T* to);

/// Whether the samples' rows of x can be read where they are: in order, and not to be normalised.
template <class T> bool usable_in_place(const Network<T>& network, const Samples<T>& samples);

/// The loss of the rows `part` of `outputs`, (count, outputs), each into row_loss; with `delta`, its slope times scale.
template <class T>
void loss_of(const Network<T>& network, const Samples<T>& samples, const T* outputs, T* delta, Range part, T scale,
             T* row_loss);

/// Rows a training pass takes at once: whole batches of small networks, or what keeps the activations in cache.
/// Chunks never change a bit: each gradient is one chain over the rows of the batch.
/// For a recurrent network: samples of up to `steps` steps.
template <class T> Index chunk_rows(const Network<T>& network, Index batch, Index steps = 1);

/// Memory for training passes of up to `rows` rows (or sequences) on up to `threads` threads; made once a fit.
template <class T> class TrainingPass {
 public:
  TrainingPass(const Network<T>& network, Index rows, Index threads);

  /// The part of worker `w` in: forward, loss, backward and the parameter gradients of one chunk. `scale` is 1 / the
  /// weight sum of the batch. Gradients are written to `gradients`, or added with `accumulate`. `input_gradient`,
  /// shaped like the chunk's part of x (which then has no index), may be null. Ends with a barrier; row_losses() then
  /// holds the weighted loss of every row that has a target.
  void run(kernels::Worker& w, const Pass& pass, const Samples<T>& chunk, T scale, T* gradients, bool accumulate,
           T* input_gradient = nullptr);

  /// The same for a whole batch whose gradients are stepped on at once instead of kept: every layer must have `steps`.
  /// Where the loss is not finite, nothing is stepped on.
  void run_and_step(kernels::Worker& w, const Pass& pass, const Samples<T>& batch, T scale, const StepOn<T>& step_on);

  /// Whether the last `run_and_step` came as far as stepping, even if it threw then.
  bool stepped() const { return stepped_; }

  /// d outputs / d parameters of one sample, (outputs, parameters), into `rows`, on this thread alone; the layers must
  /// treat rows one by one. Returns the outputs.
  const T* jacobian(const Pass& pass, const Samples<T>& sample, T* rows);

  Index rows() const { return rows_; }
  const T* row_losses() const { return row_loss_.data(); }
  /// The sum of the row losses of the last chunk, in order, in double.
  double loss_sum() const;
  /// The first layer whose outputs are not all finite in the last chunk; -1 if none.
  Index first_bad_layer() const;

 private:
  /// Everything but the parameter gradients; ends with a barrier.
  void differentiate(kernels::Worker& w, const Pass& pass, const Samples<T>& chunk, T scale, T* input_gradient);
  void allocate(Index steps);
  void load_input(kernels::Worker& w, const Samples<T>& chunk, bool input_gradient);
  void load_sequences(const Samples<T>& chunk, bool input_gradient);
  Range rows_of(const kernels::Worker& w, Index layer) const;
  void spread_input_gradient(Range part, T* to) const;
  void forward(kernels::Worker& w, const Pass& pass);
  void backward(kernels::Worker& w, const Pass& pass, T* input_gradient);
  Tape<T>& tape(Index layer) { return tapes_[static_cast<std::size_t>(layer)]; }
  Scratch<T>& scratch(const kernels::Worker& w) { return scratch_[static_cast<std::size_t>(w.id)]; }

  const Network<T>& network_;
  Index rows_;
  bool stepped_ = false;
  Index steps_ = 0;      // that the memory has room for
  Sequences sequences_;  // the last chunk's
  Samples<T> in_, out_;  // its rows of inputs, and those of targets
  std::vector<Tape<T>> tapes_;
  Arena<T> memory_;
  Arena<T> input_;
  Arena<T> input_delta_;  // in the order of the rows, for sequences
  Arena<T> row_loss_;
  std::vector<Scratch<T>> scratch_;
  std::vector<StepScratch<T>> step_scratch_;
};

/// What a prediction looks after on its way.
struct InferChecks {
  bool finite = false;         ///< throw std::domain_error for NaN or infinity in the inputs (where all steps count)
  std::function<void()> poll;  ///< called every few hundredths of a second, on the calling thread; may throw
};

/// Raw outputs (logits) of the samples, (count, outputs), on the team's threads: a sample's bits depend on it alone.
/// With `link`, predictions instead. Where every step has outputs, (count, steps, outputs), 0 beyond a sample's length.
/// What a check throws leaves `out` useless.
template <class T>
void infer(const Network<T>& network, kernels::Team& team, const Samples<T>& samples, bool link, T* out,
           const InferChecks& checks = {});

/// The same on up to `threads` threads of its own (0: as many as pay off).
template <class T>
void infer(const Network<T>& network, const Samples<T>& samples, bool link, T* out, Index threads,
           const InferChecks& checks = {});

/// The weighted mean loss of the samples, without penalty.
template <class T> double evaluate_samples(const Network<T>& network, kernels::Team& team, const Samples<T>& samples);

/// Threads worth using for one step on `rows` rows: the break-even is a few tens of microseconds of work a thread.
template <class T>
Index useful_threads(const Network<T>& network, Index rows, bool training, Index available, Index steps = 1);

/// Sets the normalisation from the samples: weighted mean and 1 / standard deviation by column; constant columns get
/// scale 1.
template <class T> void fit_normalization(Network<T>& network, const Samples<T>& samples);

}  // namespace lamina
