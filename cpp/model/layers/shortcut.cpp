#include "model/layers/shortcut.hpp"

#include "model/layers/dense.hpp"

namespace lamina {
namespace {

/// A dense layer whose outputs and their delta are the columns behind the inputs'.
template <class T> class ShortcutLayer final : public Layer<T> {
 public:
  ShortcutLayer(const layer::Shortcut& spec, Index inputs)
      : Layer<T>(inputs, inputs + spec.units),
        dense_(layer::Dense{{}, spec.units, spec.activation, spec.initializer, true}.build<T>(inputs)) {
    for (const Parameter& p : dense_->parameters()) this->add_parameter(p.name, p.rows, p.columns, p.role, p.trained);
  }
  ShortcutLayer(const ShortcutLayer& other) : Layer<T>(other), dense_(other.dense_->clone()) {}

  std::unique_ptr<Layer<T>> clone() const override { return std::make_unique<ShortcutLayer>(*this); }
  void initialize(const Random& random, Vector<T> parameters, Vector<T> state) const override {
    dense_->initialize(random, parameters, state);
  }
  bool starts_from_data() const override { return dense_->starts_from_data(); }
  void initialize_from_data(const Random& random, const Matrix<const T>& sample, Vector<T> parameters,
                            Vector<T> state) const override {
    dense_->initialize_from_data(random, sample, parameters, state);
  }
  bool random() const override { return dense_->random(); }
  Index copied_column(Index j) const override { return j < this->inputs() ? j : -1; }
  Index kept_per_row() const override { return dense_->kept_per_row(); }
  double work_per_row() const override { return dense_->work_per_row() + static_cast<double>(this->inputs()); }

  /// y = [x, f(x W + b)].
  void forward(const Pass<T>& pass, const Weights<T>& w, const Tape<T>& tape, Range rows,
               Scratch<T>& scratch) const override {
    tape.output.at_columns(shortcut()).at_rows(rows) = tape.input.at_rows(rows);
    dense_->forward(pass, w, dense_tape(tape), rows, scratch);
  }

  void scale_delta(const Pass<T>& pass, const Weights<T>& w, const Tape<T>& tape, const Block& block) const override {
    const Index in = this->inputs();
    const Range columns{std::max(block.columns.begin, in) - in, block.columns.end - in};
    if (columns.size() > 0) dense_->scale_delta(pass, w, dense_tape(tape), {block.rows, columns});
  }

  void backward(const Pass<T>& pass, const Weights<T>& w, const Tape<T>& tape, const Matrix<T>& input_delta, Range rows,
                Scratch<T>& scratch, kernels::Epilogue finished) const override {
    const auto add_shortcut = [&](const Block& block) {
      input_delta.at(block) += tape.delta.at(block);
      if (finished) finished(block);
    };
    dense_->backward(pass, w, dense_tape(tape), input_delta, rows, scratch, add_shortcut);
  }

  void gradients(const Tape<T>& tape, const GradientSink<T>& sink) const override {
    dense_->gradients(dense_tape(tape), sink);
  }

 private:
  Range shortcut() const { return {0, this->inputs()}; }
  Tape<T> dense_tape(const Tape<T>& tape) const {
    const Range units{this->inputs(), this->outputs()};
    Tape<T> inner = tape;
    inner.output.view(tape.output.at_columns(units));
    if (!tape.delta.empty()) inner.delta.view(tape.delta.at_columns(units));
    return inner;
  }

  std::unique_ptr<Layer<T>> dense_;
};

}  // namespace

template <class T> std::unique_ptr<Layer<T>> layer::Shortcut::build(Index inputs) const {
  return std::make_unique<ShortcutLayer<T>>(*this, inputs);
}
template std::unique_ptr<Layer<float>> layer::Shortcut::build<float>(Index) const;
template std::unique_ptr<Layer<double>> layer::Shortcut::build<double>(Index) const;

}  // namespace lamina
