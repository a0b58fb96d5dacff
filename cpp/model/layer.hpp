/// The contract of a layer. A layer is stateless while it computes: parameters, gradients and what it remembers of a
/// batch come from outside, so one layer serves training and any number of predictions at once.
///
/// A pass over a chunk of a batch goes: `forward` through the layers; the loss writes delta = dE / d output of the
/// last; then, from the last layer to the first, `scale_delta` (once for every block of delta, fused with whatever
/// wrote it) and `backward` (dE / d input into the delta of the layer below); then `gradients` for all layers. Threads
/// share the first group by rows, or by columns for layers whose columns need all rows (`Split`), and the last by
/// parameters, so every sum has one order whatever the number of threads.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/arena.hpp"
#include "core/random.hpp"
#include "core/types.hpp"
#include "model/gradient_sink.hpp"
#include "model/parameter.hpp"
#include "model/sequences.hpp"

namespace lamina {

/// What a layer is built for: the columns of its input, which may be those of `members` networks side by side. A layer
/// that makes no difference between them takes it for a number of columns.
struct LayerInput {
  Index width = 0;
  Index members = 1;
  operator Index() const { return width; }
};

/// How threads share a layer's forward and backward passes.
enum class Split { rows, columns };

/// What a pass is for, and where its random draws come from: (seed, step, row of the batch, unit).
template <class T> struct Pass {
  bool training = false;
  std::uint64_t seed = 0;
  std::uint64_t step = 0;
  Index first_row = 0;     ///< number in its batch of the chunk's first row
  bool surrogates = true;  ///< straight-through estimators where there are any; false: the true derivative
  Vector<T> statistics;    ///< the network's running statistics, which a training pass moves; empty: they stay
  const std::vector<char>* frozen = nullptr;  ///< by layer: whether its statistics stay all the same
  double dropout = 1;                         ///< factor of the rates of dropout layers
  bool replay = false;  ///< states at the cuts of truncated back-propagation are those of the pass before
};

/// A layer's memory of a chunk: row-major matrices of the chunk's rows. In a network of sequences a row is a time step,
/// up to a layer that gives the last step alone: its output and delta have a row for each sequence.
template <class T> struct Tape {
  Matrix<const T> input;    ///< (rows, inputs)
  Matrix<T> output;         ///< (rows, outputs)
  Matrix<T> delta;          ///< (rows, outputs): dE / d output
  Vector<T> kept;           ///< rows x kept_per_row, the layer's own use; empty: nothing is kept, this is a prediction
  Matrix<T> shared;         ///< (kept_per_batch, outputs), the layer's own use
  bool comes_back = false;  ///< whether `backward` follows
  /// How often each row counts in the statistics of its batch; empty: once. Set for networks that need whole batches.
  Vector<const T> row_weights;
  std::uint32_t layer = 0;               ///< position in the network: layers of equal width draw different numbers
  const Sequences* sequences = nullptr;  ///< how the rows are time steps; null: they are not
  Matrix<T> state;  ///< (sequences, state_size) before the first step, then after the last; empty: start from 0

  Index rows() const { return input.rows(); }
  /// A (rows, width) matrix of what is kept, behind matrices that are `before` wide together.
  Matrix<T> kept_matrix(Index before, Index width) const {
    return {const_cast<T*>(kept.data()) + rows() * before, rows(), width};
  }
};

/// Parameters and running statistics of a layer: its slices of the arenas.
template <class T> struct Weights {
  Vector<const T> parameters;
  Vector<const T> state;
  Vector<T> moving;  ///< the state to write, where a training pass moves it; else empty

  Matrix<const T> matrix(const Parameter& p) const { return matrix_in(parameters, p); }
  Vector<const T> vector(const Parameter& p) const {
    return {(p.trained ? parameters : state).data() + p.offset, p.size()};
  }
  Vector<T> moved(const Parameter& p) const { return moving.at({p.offset, p.offset + p.columns}); }
};

/// A thread's own memory: for products, for weights packed once for many of them, and for pieces of gradients.
template <class T> struct Scratch : kernels::PackBuffer<T> {
  kernels::PackedB<T> packed[2];
  PieceMemory<T> piece;
};

template <class T> class Layer {
 public:
  virtual ~Layer() = default;
  virtual std::unique_ptr<Layer> clone() const = 0;

  Index inputs() const { return inputs_; }
  Index outputs() const { return outputs_; }
  /// Trained parameters and running statistics, in the order of their slices.
  const std::vector<Parameter>& parameters() const { return parameters_; }
  /// Initial values of all parameters and statistics, which are 0 before.
  virtual void initialize(const Random&, Vector<T> /*parameters*/, Vector<T> /*state*/) const {}
  /// Whether the first fit gives initial values by `initialize_from_data`, too.
  virtual bool starts_from_data() const { return false; }
  /// Initial values that follow from the data, in place of what `initialize` has given; `sample`, (rows, inputs), is
  /// what the layer gets of some training rows.
  virtual void initialize_from_data(const Random&, const Matrix<const T>& /*sample*/, Vector<T> /*parameters*/,
                                    Vector<T> /*state*/) const {}

  /// Whether a training pass draws random numbers.
  virtual bool random() const { return false; }
  virtual Split split() const { return Split::rows; }
  /// Whether a prediction may write its output over its input: each element of it depends on that element alone.
  virtual bool predicts_in_place() const { return false; }
  /// How many networks side by side the outputs are of, member by member; a layer that `predicts_in_place` leaves them
  /// as they are.
  virtual Index members() const { return 1; }
  /// Values that a sequence carries from one step to the next; above 0 for recurrent layers.
  virtual Index state_size() const { return 0; }
  /// Whether `gradients` wants what `backward` leaves, which then also runs in the first layer, with an empty
  /// `input_delta`.
  virtual bool always_backward() const { return state_size() > 0; }
  /// Whether the output is that of a sequence's last step alone.
  virtual bool last_step_only() const { return false; }
  /// Elements a row needs between forward and backward beside its output.
  virtual Index kept_per_row() const { return 0; }
  /// Rows of `shared` that a chunk needs.
  virtual Index kept_per_batch() const { return 0; }
  /// Multiplications and additions of a forward pass, a row.
  virtual double work_per_row() const { return static_cast<double>(outputs_); }
  /// Input columns that hold numbers of categories: what normalises inputs leaves them as they are.
  virtual std::vector<Index> category_columns() const { return {}; }
  /// The input column that output column `j` is, unchanged, also in training; -1 where it is none.
  virtual Index copied_column(Index /*j*/) const { return -1; }
  /// The fewest rows that a training batch may have.
  virtual Index least_batch() const { return 1; }

  /// tape.output of the rows (or, split by columns, of the columns) `part`.
  virtual void forward(const Pass<T>&, const Weights<T>&, const Tape<T>&, Range part, Scratch<T>&) const = 0;
  /// delta <- what `backward` and `gradients` want, for one block.
  virtual void scale_delta(const Pass<T>&, const Weights<T>&, const Tape<T>&, const Block&) const {}
  /// dE / d input into `input_delta` (rows, inputs) for `part`, each finished block handed to `finished`.
  virtual void backward(const Pass<T>&, const Weights<T>&, const Tape<T>&, const Matrix<T>& input_delta, Range part,
                        Scratch<T>&, kernels::Epilogue finished) const = 0;
  /// Gives the chunk's parameter gradients to the sink.
  virtual void gradients(const Tape<T>&, const GradientSink<T>&) const {}

 protected:
  Layer(Index inputs, Index outputs) : inputs_(inputs), outputs_(outputs) {}

  /// The next parameter of the layer: a (rows, columns) matrix, or a vector of `columns` where rows is 0; or `members`
  /// of them.
  Parameter add_parameter(std::string name, Index rows, Index columns, Role role, bool trained = true,
                          Index members = 1) {
    Index& used = trained ? trained_ : untrained_;
    parameters_.push_back({std::move(name), rows, columns, role, used, trained, members});
    used += parameters_.back().size();
    return parameters_.back();
  }

 private:
  Index inputs_, outputs_;
  std::vector<Parameter> parameters_;
  Index trained_ = 0, untrained_ = 0;
};

}  // namespace lamina
