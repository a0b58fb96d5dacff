#include "model/layers/dense.hpp"

#include "model/activation_part.hpp"

namespace lamina {
namespace {

template <class T> class DenseLayer final : public Layer<T> {
 public:
  DenseLayer(const layer::Dense& spec, Index inputs)
      : Layer<T>(inputs, spec.units),
        spec_(spec),
        part_(spec.activation, spec.units),
        weight_(this->add_parameter("weight", inputs, spec.units, Role::weight)) {
    if (spec.use_bias) bias_ = this->add_parameter("bias", 0, spec.units, Role::bias);
    if (part_.learns()) slope_ = this->add_parameter("slope", 0, spec.units, Role::slope);
  }

  std::unique_ptr<Layer<T>> clone() const override { return std::make_unique<DenseLayer>(*this); }

  void initialize(const Random& random, Vector<T> parameters, Vector<T>) const override {
    lamina::initialize<T>(spec_.initializer, spec_.activation, random,
                          {parameters.data(), this->inputs(), this->outputs()});
    if (part_.learns()) part_.initialize(parameters.at(slope_.range()));
  }

  bool random() const override { return part_.random(); }
  Index kept_per_row() const override { return part_.kept_per_row(); }
  double work_per_row() const override { return 2.0 * static_cast<double>(this->inputs() * this->outputs()); }

  /// y = f(x W + b).
  void forward(const Pass<T>& pass, const Weights<T>& w, const Tape<T>& tape, Range rows,
               Scratch<T>& scratch) const override {
    const Matrix<const T> x = tape.input.at_rows(rows), W = w.matrix(weight_);
    const Matrix<T> z = part_.pre_activation(tape).at_rows(rows);
    const Vector<const T> b = w.vector(bias_), slopes = w.vector(slope_);
    const auto finish = [&](const Block& block) { part_.forward(pass, tape, b, slopes, block); };
    kernels::product(x, W, z, scratch, kernels::Epilogue(finish).below(rows.begin));
  }

  /// delta <- delta f'(z).
  void scale_delta(const Pass<T>& pass, const Weights<T>& w, const Tape<T>& tape, const Block& block) const override {
    part_.scale_delta(pass, tape, w.vector(slope_), block);
  }

  /// dE / dx = delta Wᵀ.
  void backward(const Pass<T>&, const Weights<T>& w, const Tape<T>& tape, const Matrix<T>& input_delta, Range rows,
                Scratch<T>& scratch, kernels::Epilogue finished) const override {
    const Matrix<const T> delta = tape.delta.at_rows(rows), W = w.matrix(weight_);
    kernels::product(delta, W.transpose(), input_delta.at_rows(rows), scratch, finished.below(rows.begin));
  }

  /// dE / dW = xᵀ delta, dE / db = the sum over the rows of delta.
  void gradients(const Tape<T>& tape, const GradientSink<T>& sink) const override {
    sink.product(weight_, tape.input, tape.delta);
    if (spec_.use_bias) sink.column_sums(bias_, tape.delta);
    if (part_.learns()) part_.slope_gradient(slope_, tape, sink);
  }

 private:
  layer::Dense spec_;
  ActivationPart<T> part_;
  Parameter weight_, bias_, slope_;
};

}  // namespace

template <class T> std::unique_ptr<Layer<T>> layer::Dense::build(Index inputs) const {
  return std::make_unique<DenseLayer<T>>(*this, inputs);
}
template std::unique_ptr<Layer<float>> layer::Dense::build<float>(Index) const;
template std::unique_ptr<Layer<double>> layer::Dense::build<double>(Index) const;

}  // namespace lamina
