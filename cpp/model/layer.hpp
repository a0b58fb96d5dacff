/// The contract of a layer. A layer is stateless while it computes: parameters, gradients and what it remembers of a
/// batch come from outside, so one layer serves training and any number of predictions at once.
///
/// A pass over a chunk of a batch goes: `forward` through the layers; the loss writes delta = dE / d output of the
/// last; then, from the last layer to the first, `scale_delta` (once for every block of delta, fused with whatever
/// wrote it) and `backward` (dE / d input into the delta of the layer below); then `gradients` for all layers. Threads
/// share the first group by rows, or by columns for layers whose columns need all rows (`Split`), and the last by
/// parameters, so every sum has one order whatever the number of threads.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "core/arena.hpp"
#include "core/random.hpp"
#include "core/types.hpp"
#include "kernels/product.hpp"
#include "model/sequences.hpp"

namespace lamina {

/// What a parameter is, for penalties and decay (weights alone) and clipping.
enum class Role { weight, bias, gain, slope };

/// One parameter array of a layer: (rows, columns), or a vector of `columns` when rows is 0.
struct ParameterInfo {
  std::string name;
  Index rows = 0, columns = 0;
  Role role = Role::weight;
  Index offset = 0;     ///< in the layer's slice of the arena
  bool trained = true;  ///< false: running statistics, kept in the state arena
  Index size() const { return (rows > 0 ? rows : 1) * columns; }
};

/// How threads share a layer's forward and backward passes.
enum class Split { rows, columns };

/// What a pass is for, and where its random draws come from: (seed, step, row of the batch, unit).
struct Pass {
  bool training = false;
  std::uint64_t seed = 0;
  std::uint64_t step = 0;
  Index first_row = 0;            ///< number in its batch of the chunk's first row
  bool surrogates = true;         ///< straight-through estimators where there are any; false: the true derivative
  bool update_statistics = true;  ///< whether running statistics move (not in SAM's second pass)
  bool replay = false;            ///< states at the cuts of truncated back-propagation are those of the pass before
};

/// A layer's memory of a chunk: row-major matrices of the chunk's rows. In a network of sequences a row is a time step,
/// up to a layer that gives the last step alone: its output and delta have a row for each sequence.
template <class T> struct Tape {
  const T* input = nullptr;  ///< (rows, inputs)
  T* output = nullptr;       ///< (rows, outputs)
  T* kept = nullptr;         ///< (rows, kept_per_row), layer's own use
  T* shared = nullptr;       ///< kept_per_batch elements, layer's own use
  T* delta = nullptr;        ///< (rows, outputs): dE / d output
  Index rows = 0;
  std::uint32_t layer = 0;               ///< position in the network: layers of equal width draw different numbers
  const Sequences* sequences = nullptr;  ///< how the rows are time steps; null: they are not
  T* state = nullptr;        ///< (sequences, state_size) before the first step, then after the last; null: start from 0
  const T* scale = nullptr;  ///< (outputs), in inference: the rescaling of the layer after, folded into this one
  const T* shift = nullptr;
};

/// Parameters and state of a layer: its slices of the arenas.
template <class T> struct Weights {
  const T* parameters = nullptr;
  T* state = nullptr;  ///< running statistics; written in training only
};

/// A thread's own memory: for products, and weights packed once for many of them.
template <class T> struct Scratch : kernels::PackBuffer<T> {
  kernels::PackedB<T> packed[2];
};

/// Takes a finished piece of the gradient: `count` elements from `offset` of the arena, all of weights or of none.
template <class T> using StepOn = std::function<void(Index offset, const T* gradient, Index count, bool is_weight)>;

/// A thread's memory for gradients that are stepped on as soon as they are there.
template <class T> struct StepScratch {
  kernels::PackBuffer<T> piece;
  kernels::PackedB<T> delta;
};

template <class T> class Layer {
 public:
  virtual ~Layer() = default;
  virtual std::unique_ptr<Layer> clone() const = 0;

  Index inputs() const { return inputs_; }
  Index outputs() const { return outputs_; }
  /// Trained parameters and running statistics, in the order of their slices.
  virtual std::vector<ParameterInfo> parameters() const { return {}; }
  /// Initial values of all parameters and statistics.
  virtual void initialize(const Random&, T* /*parameters*/, T* /*state*/) const {}

  /// Whether a training pass draws random numbers.
  virtual bool random() const { return false; }
  virtual Split split() const { return Split::rows; }
  /// Values that a sequence carries from one step to the next; above 0 for recurrent layers, whose `backward` also runs
  /// in the first layer, with no `input_delta`.
  virtual Index state_size() const { return 0; }
  /// Whether the output is that of a sequence's last step alone.
  virtual bool last_step_only() const { return false; }
  /// Elements a row needs between forward and backward beside its output.
  virtual Index kept_per_row() const { return 0; }
  /// Elements a chunk needs.
  virtual Index kept_per_batch() const { return 0; }
  /// Multiplications and additions of a forward pass, a row.
  virtual double work_per_row() const { return static_cast<double>(outputs_); }
  /// Throws std::invalid_argument when a training batch of `rows` rows is impossible.
  virtual void check_batch(Index /*rows*/) const {}

  /// Whether inference only rescales: y = scale x + shift by column, with what `rescaling` writes.
  virtual bool rescales() const { return false; }
  virtual void rescaling(Weights<T>, T* /*scale*/, T* /*shift*/) const {}
  /// Whether `forward` in inference can rescale its own output, by the tape's scale and shift.
  virtual bool takes_rescaling() const { return false; }

  /// tape.output of the rows (or, split by columns, of the columns) `part`.
  virtual void forward(const Pass&, Weights<T>, const Tape<T>&, Range part, Scratch<T>&) const = 0;
  /// delta <- what `backward` and `gradients` want, for one block (rows from `row`, columns from `column`).
  virtual void scale_delta(const Pass&, Weights<T>, const Tape<T>&, Index /*row*/, Index /*rows*/, Index /*column*/,
                           Index /*columns*/) const {}
  /// dE / d input into `input_delta` (rows, inputs) for `part`, each finished block handed to `finished`.
  virtual void backward(const Pass&, Weights<T>, const Tape<T>&, T* input_delta, Range part, Scratch<T>&,
                        kernels::Epilogue<T> finished) const = 0;
  /// Adds the chunk's parameter gradients to `gradients` (or writes them, if not `accumulate`): share `part` of
  /// `parts`.
  virtual void gradients(const Pass&, const Tape<T>&, T* /*gradients*/, bool /*accumulate*/, Index /*part*/,
                         Index /*parts*/, Scratch<T>&) const {}
  /// Whether `step` can stand for `gradients`: then the gradient need not be kept as a whole.
  virtual bool steps() const { return parameters().empty(); }
  /// The same gradients as `gradients` writes, for a whole batch at once, in pieces that go to `step_on` while they are
  /// in cache; `offset` is the place of the layer's slice in the arena.
  virtual void step(const Pass&, const Tape<T>&, Index /*offset*/, Index /*part*/, Index /*parts*/, Scratch<T>&,
                    StepScratch<T>&, const StepOn<T>&) const {}

 protected:
  Layer(Index inputs, Index outputs) : inputs_(inputs), outputs_(outputs) {}

 private:
  Index inputs_, outputs_;
};

}  // namespace lamina
