#include "model/layers/scale.hpp"

namespace lamina {
namespace {

template <class T> class ScaleLayer final : public Layer<T> {
 public:
  ScaleLayer(const layer::Scale& spec, Index inputs)
      : Layer<T>(inputs, inputs),
        initial_(static_cast<T>(spec.initial)),
        scale_(this->add_parameter("scale", 0, inputs, Role::gain)) {}

  std::unique_ptr<Layer<T>> clone() const override { return std::make_unique<ScaleLayer>(*this); }
  void initialize(const Random&, Vector<T> parameters, Vector<T>) const override { parameters = initial_; }
  bool predicts_in_place() const override { return true; }

  /// y = x s.
  void forward(const Pass<T>&, const Weights<T>& w, const Tape<T>& tape, Range rows, Scratch<T>&) const override {
    Matrix<T> y = tape.output.at_rows(rows);
    y = tape.input.at_rows(rows).rowwise() * w.vector(scale_);
  }

  /// dE / dx = delta s.
  void backward(const Pass<T>&, const Weights<T>& w, const Tape<T>& tape, const Matrix<T>& input_delta, Range rows,
                Scratch<T>&, kernels::Epilogue finished) const override {
    input_delta.at_rows(rows) = tape.delta.at_rows(rows).rowwise() * w.vector(scale_);
    if (finished) finished({rows, {0, this->outputs()}});
  }

  /// dE / ds = the sum over the rows of delta x.
  void gradients(const Tape<T>& tape, const GradientSink<T>& sink) const override {
    sink.vector(scale_, [&](Range part, const Vector<T>& to, kernels::Store store, const Vector<T>& lost) {
      kernels::column_products(tape.delta.at_columns(part), tape.input.at_columns(part), to, store, lost);
    });
  }

 private:
  T initial_;
  Parameter scale_;
};

}  // namespace

template <class T> std::unique_ptr<Layer<T>> layer::Scale::build(Index inputs) const {
  return std::make_unique<ScaleLayer<T>>(*this, inputs);
}
template std::unique_ptr<Layer<float>> layer::Scale::build<float>(Index) const;
template std::unique_ptr<Layer<double>> layer::Scale::build<double>(Index) const;

}  // namespace lamina
