/// Training passes: a network over rows, with everything kept for the gradients.
#pragma once

#include <functional>
#include <vector>

#include "kernels/threads.hpp"
#include "model/samples.hpp"
#include "model/sequences.hpp"

namespace lamina {

/// Rows are shared among threads in multiples of this: the height of the product kernels' tiles.
inline constexpr Index row_grain = 8;

/// Rows a training pass takes at once: whole batches of small networks, or what keeps the activations in cache.
/// The sums of chunks are blocks of a gradient's sum over the batch (`kernels::chain_rows`), so they follow from the
/// network and the batch alone.
/// For a recurrent network: samples of up to `steps` steps.
template <class T> Index chunk_rows(const Network<T>& network, Index batch, Index steps = 1);

/// What a training pass keeps of its rows: what gradients need, of every layer, or what the next layer reads.
enum class Keeps { gradients, outputs };

/// Memory for training passes of up to `rows` rows (or sequences) on up to `threads` threads; made once a fit.
template <class T> class TrainingPass {
 public:
  TrainingPass(const Network<T>& network, Index rows, Index threads, Keeps keeps = Keeps::gradients);
  TrainingPass(const TrainingPass&) = delete;
  TrainingPass& operator=(const TrainingPass&) = delete;

  /// The part of worker `w` in: forward, loss, backward and the parameter gradients of one chunk. `scale` is 1 / the
  /// weight sum of the batch. Gradients replace what is in `gradients`, the whole arena's, or are added to it.
  /// `input_gradient`, shaped like the chunk's part of x (which then has no index), may be empty. Ends with a barrier;
  /// `loss_sum` is then that of the chunk.
  void run(kernels::Worker& w, const Pass<T>& pass, const Samples<T>& chunk, T scale, const Vector<T>& gradients,
           kernels::Store store, const Matrix<T>& input_gradient = {});

  /// Loss and gradients of a whole batch, chunk by chunk on `threads` of the team's threads: what `run` does for each
  /// chunk of it, `pass` being that of the batch. `between`, if there is one, is called between chunks. Returns the
  /// weighted sum of the rows' losses; `gradients` are those of their mean.
  double run_all(kernels::Team& team, Index threads, Pass<T> pass, const Samples<T>& batch, double weight_sum,
                 const Vector<T>& gradients, const Matrix<T>& input_gradient = {},
                 const std::function<void()>& between = {});

  /// The same for a whole batch whose gradients are stepped on at once instead of kept. Where the loss is not finite,
  /// nothing is stepped on.
  void run_and_step(kernels::Worker& w, const Pass<T>& pass, const Samples<T>& batch, T scale,
                    const StepOn<T>& step_on);

  /// Whether the last `run_and_step` came as far as stepping, even if it threw then.
  bool stepped() const { return stepped_; }

  /// d outputs / d parameters of one sample, (outputs, parameters), into `rows`, on this thread alone; the layers must
  /// treat rows one by one. Returns the outputs.
  Vector<const T> jacobian(const Pass<T>& pass, const Samples<T>& sample, Matrix<T> rows);

  /// For each layer before layer `end`, on this thread alone: before(i, its input), which may change its weights, then
  /// forward. As in training, but without what is drawn at random. It is all that a pass can do that keeps outputs
  /// alone.
  void forward_each(const Samples<T>& samples, Index end,
                    const std::function<void(Index, const Matrix<const T>&)>& before);

  Index rows() const { return rows_; }
  /// The sum of the row losses of the last chunk, in order, in double; of an ensemble the mean of its members'.
  double loss_sum() const;
  /// The first layer whose outputs are not all finite in the last chunk; -1 if none.
  Index first_bad_layer() const;

 private:
  /// Everything but the parameter gradients; ends with a barrier.
  void differentiate(kernels::Worker& w, const Pass<T>& pass, const Samples<T>& chunk, T scale,
                     const Matrix<T>& input_gradient);
  void allocate(Index steps);
  /// Whether rows go through the layer some at a time, since nothing is kept of them.
  bool by_blocks(Index layer) const;
  /// Of how many rows, of so many, the layer's memory keeps something at a time.
  Index rows_at_once(Index layer, Index rows) const;
  void load_input(kernels::Worker& w, const Samples<T>& chunk, bool input_gradient);
  void load_weights(const Samples<T>& chunk);
  void load_sequences(const Samples<T>& chunk, bool input_gradient);
  void view_rows(const Samples<T>& chunk, const Matrix<const T>& input);
  Range rows_of(const kernels::Worker& w, Index layer) const;
  void spread_input_gradient(Range part, Matrix<T> to) const;
  void forward(kernels::Worker& w, const Pass<T>& pass);
  void forward(kernels::Worker& w, const Pass<T>& pass, Index layer, Split split);
  void backward(kernels::Worker& w, const Pass<T>& pass, const Matrix<T>& input_gradient);
  Tape<T>& tape(Index layer) { return tapes_[static_cast<std::size_t>(layer)]; }
  const Tape<T>& tape(Index layer) const { return tapes_[static_cast<std::size_t>(layer)]; }
  Scratch<T>& scratch(const kernels::Worker& w) { return scratch_[static_cast<std::size_t>(w.id)]; }

  const Network<T>& network_;
  Index rows_;
  Keeps keeps_;
  bool stepped_ = false, in_place_ = false;  // in_place_: the last chunk's inputs are read where they are
  Index steps_ = 0;                          // that the memory has room for
  Sequences sequences_;                      // the last chunk's
  Samples<T> in_, out_;                      // its rows of inputs, and those of targets
  std::vector<Tape<T>> tapes_;
  Arena<T> memory_;
  Arena<T> input_;
  Arena<T> input_delta_;  // in the order of the rows, for sequences
  Arena<T> row_loss_;
  Arena<T> row_weights_;          // where a layer needs them
  std::vector<Index> zero_rows_;  // rows of inputs that do not count
  Arena<T> lost_;                 // what rounding has lost of a gradient over many rows
  std::vector<Scratch<T>> scratch_;
};

/// Threads worth using for one step on `rows` rows: the break-even is a few tens of microseconds of work a thread.
template <class T>
Index useful_threads(const Network<T>& network, Index rows, bool training, Index available, Index steps = 1);

}  // namespace lamina
