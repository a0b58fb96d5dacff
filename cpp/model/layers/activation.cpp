#include "model/layers/activation.hpp"

#include "model/activation_part.hpp"

namespace lamina {
namespace {

template <class T> class ActivationLayer final : public Layer<T> {
 public:
  ActivationLayer(const layer::Activation& spec, Index inputs)
      : Layer<T>(inputs, inputs), part_(spec.activation, inputs, {spec.parametric}) {
    if (part_.learns()) slope_ = this->add_parameter("slope", 0, inputs, Role::slope);
  }

  std::unique_ptr<Layer<T>> clone() const override { return std::make_unique<ActivationLayer>(*this); }
  void initialize(const Random&, Vector<T> parameters, Vector<T>) const override {
    if (part_.learns()) part_.initialize(parameters);
  }
  bool random() const override { return part_.random(); }
  bool predicts_in_place() const override { return true; }
  Index kept_per_row() const override { return part_.kept_per_row(); }

  void forward(const Pass<T>& pass, const Weights<T>& w, const Tape<T>& tape, Range rows, Scratch<T>&) const override {
    part_.pre_activation(tape).at_rows(rows) = tape.input.at_rows(rows);
    part_.forward(pass, tape, {}, w.vector(slope_), {rows, {0, this->outputs()}});
  }
  void scale_delta(const Pass<T>&, const Weights<T>&, const Tape<T>& tape, const Block& block) const override {
    part_.scale_delta(tape, block);
  }
  void backward(const Pass<T>&, const Weights<T>&, const Tape<T>& tape, const Matrix<T>& input_delta, Range rows,
                Scratch<T>&, kernels::Epilogue finished) const override {
    input_delta.at_rows(rows) = tape.delta.at_rows(rows);
    if (finished) finished({rows, {0, this->outputs()}});
  }
  void gradients(const Tape<T>& tape, const GradientSink<T>& sink) const override {
    if (part_.learns()) part_.slope_gradient(slope_, tape, sink);
  }

 private:
  ActivationPart<T> part_;
  Parameter slope_;
};

}  // namespace

void layer::Activation::check() const { ActivationPart<float>::check(activation, parametric, name); }

template <class T> std::unique_ptr<Layer<T>> layer::Activation::build(Index inputs) const {
  return std::make_unique<ActivationLayer<T>>(*this, inputs);
}
template std::unique_ptr<Layer<float>> layer::Activation::build<float>(Index) const;
template std::unique_ptr<Layer<double>> layer::Activation::build<double>(Index) const;

}  // namespace lamina
