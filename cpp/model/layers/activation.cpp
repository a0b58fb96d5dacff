#include "model/layers/activation.hpp"

#include "model/activation_part.hpp"

namespace lamina {
namespace {

template <class T> class ActivationLayer final : public Layer<T> {
 public:
  ActivationLayer(const layer::Activation& spec, Index inputs)
      : Layer<T>(inputs, inputs), part_(spec.activation, inputs) {}

  std::unique_ptr<Layer<T>> clone() const override { return std::make_unique<ActivationLayer>(*this); }
  std::vector<ParameterInfo> parameters() const override { return part_.parameters(0); }
  void initialize(const Random&, T* parameters, T*) const override { part_.initialize(parameters); }
  bool random() const override { return part_.random(); }
  Index kept_per_row() const override { return part_.kept_per_row(); }

  void forward(const Pass& pass, Weights<T> w, const Tape<T>& tape, Range rows, Scratch<T>&) const override {
    const Index n = this->outputs();
    std::copy(tape.input + rows.begin * n, tape.input + rows.end * n, part_.pre_activation(tape) + rows.begin * n);
    part_.forward(pass, tape, nullptr, w.parameters, rows.begin, rows.size(), 0, n);
  }
  void scale_delta(const Pass& pass, Weights<T> w, const Tape<T>& tape, Index row, Index rows, Index column,
                   Index columns) const override {
    part_.scale_delta(pass, tape, w.parameters, row, rows, column, columns);
  }
  void backward(const Pass&, Weights<T>, const Tape<T>& tape, T* input_delta, Range rows, Scratch<T>&,
                kernels::Epilogue<T> finished) const override {
    const Index n = this->outputs();
    std::copy(tape.delta + rows.begin * n, tape.delta + rows.end * n, input_delta + rows.begin * n);
    if (finished) finished(rows.begin, rows.size(), 0, n);
  }
  void gradients(const Pass&, const Tape<T>& tape, T* gradients, bool accumulate, Index part, Index parts,
                 Scratch<T>&) const override {
    if (part_.learns()) part_.slope_gradient(tape, gradients, accumulate, part_of(this->outputs(), part, parts, 16));
  }

 private:
  ActivationPart<T> part_;
};

}  // namespace

template <class T> std::unique_ptr<Layer<T>> layer::Activation::build(Index inputs) const {
  return std::make_unique<ActivationLayer<T>>(*this, inputs);
}
template std::unique_ptr<Layer<float>> layer::Activation::build<float>(Index) const;
template std::unique_ptr<Layer<double>> layer::Activation::build<double>(Index) const;

}  // namespace lamina
