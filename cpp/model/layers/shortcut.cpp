#include "model/layers/shortcut.hpp"

#include <algorithm>
#include <cstring>

#include "model/layers/dense.hpp"

namespace lamina {
namespace {

/// A dense layer with its outputs and their delta as matrices of their own, in what this layer keeps of a batch: the
/// dense outputs, their delta, and then what the dense layer keeps.
template <class T> class ShortcutLayer final : public Layer<T> {
 public:
  ShortcutLayer(const layer::Shortcut& spec, Index inputs)
      : Layer<T>(inputs, inputs + spec.units),
        units_(spec.units),
        dense_(layer::Dense{{}, spec.units, spec.activation, spec.initializer, true}.build<T>(inputs)) {}
  ShortcutLayer(const ShortcutLayer& other) : Layer<T>(other), units_(other.units_), dense_(other.dense_->clone()) {}

  std::unique_ptr<Layer<T>> clone() const override { return std::make_unique<ShortcutLayer>(*this); }
  std::vector<ParameterInfo> parameters() const override { return dense_->parameters(); }
  void initialize(const Random& random, T* parameters, T* state) const override {
    dense_->initialize(random, parameters, state);
  }
  bool random() const override { return dense_->random(); }
  Index kept_per_row() const override { return 2 * units_ + dense_->kept_per_row(); }
  double work_per_row() const override { return dense_->work_per_row() + static_cast<double>(this->inputs()); }

  void forward(const Pass& pass, Weights<T> w, const Tape<T>& tape, Range rows, Scratch<T>& scratch) const override {
    const Index in = this->inputs(), n = this->outputs();
    Tape<T> inner = dense_tape(tape);
    // A prediction keeps nothing: the dense outputs go to the end of these rows' outputs, from where the loop below
    // can spread them without overtaking itself.
    if (tape.kept == tape.output) {
      inner.output = inner.kept = tape.output + rows.end * n - rows.size() * units_ - rows.begin * units_;
    }
    dense_->forward(pass, w, inner, rows, scratch);
    for (Index i = rows.begin; i < rows.end; ++i) {
      std::memmove(tape.output + i * n + in, inner.output + i * units_, sizeof(T) * static_cast<std::size_t>(units_));
      std::copy_n(tape.input + i * in, in, tape.output + i * n);
    }
  }

  void scale_delta(const Pass& pass, Weights<T> w, const Tape<T>& tape, Index row, Index rows, Index column,
                   Index columns) const override {
    const Index in = this->inputs(), first = std::max(column, in), count = column + columns - first;
    if (count <= 0) return;
    const Tape<T> inner = dense_tape(tape);
    for (Index i = row; i < row + rows; ++i) {
      std::copy_n(tape.delta + i * this->outputs() + first, count, inner.delta + i * units_ + first - in);
    }
    dense_->scale_delta(pass, w, inner, row, rows, first - in, count);
  }

  void backward(const Pass& pass, Weights<T> w, const Tape<T>& tape, T* input_delta, Range rows, Scratch<T>& scratch,
                kernels::Epilogue<T> finished) const override {
    const Index in = this->inputs(), n = this->outputs();
    const auto add_shortcut = [&](Index row, Index count, Index column, Index columns) {
      for (Index i = row; i < row + count; ++i) {
        for (Index j = column; j < column + columns; ++j) input_delta[i * in + j] += tape.delta[i * n + j];
      }
      if (finished) finished(row, count, column, columns);
    };
    dense_->backward(pass, w, dense_tape(tape), input_delta, rows, scratch, add_shortcut);
  }

  void gradients(const Pass& pass, const Tape<T>& tape, T* gradients, bool accumulate, Index part, Index parts,
                 Scratch<T>& scratch) const override {
    dense_->gradients(pass, dense_tape(tape), gradients, accumulate, part, parts, scratch);
  }
  bool steps() const override { return dense_->steps(); }
  void step(const Pass& pass, const Tape<T>& tape, Index offset, Index part, Index parts, Scratch<T>& scratch,
            StepScratch<T>& memory, const StepOn<T>& step_on) const override {
    dense_->step(pass, dense_tape(tape), offset, part, parts, scratch, memory, step_on);
  }

 private:
  Tape<T> dense_tape(const Tape<T>& tape) const {
    Tape<T> inner = tape;
    inner.output = tape.kept;
    inner.delta = tape.kept + tape.rows * units_;
    inner.kept = tape.kept + 2 * tape.rows * units_;
    return inner;
  }

  Index units_;
  std::unique_ptr<Layer<T>> dense_;
};

}  // namespace

template <class T> std::unique_ptr<Layer<T>> layer::Shortcut::build(Index inputs) const {
  return std::make_unique<ShortcutLayer<T>>(*this, inputs);
}
template std::unique_ptr<Layer<float>> layer::Shortcut::build<float>(Index) const;
template std::unique_ptr<Layer<double>> layer::Shortcut::build<double>(Index) const;

}  // namespace lamina
