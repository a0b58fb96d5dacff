#include "model/layers/dense.hpp"

#include <cmath>
#include <limits>
#include <stdexcept>

#include "math/normal.hpp"
#include "model/activation_part.hpp"

namespace lamina {
namespace {

/// How many random rows a bias that follows from the data is a mixture of.
constexpr Index mixed_rows = 5;

template <class T> class DenseLayer final : public Layer<T> {
 public:
  DenseLayer(const layer::Dense& spec, Index inputs)
      : Layer<T>(inputs, spec.units),
        spec_(spec),
        part_(spec.activation, spec.units, {spec.parametric, scale()}),
        weight_(this->add_parameter("weight", inputs, spec.units, Role::weight)) {
    if (spec.use_bias) bias_ = this->add_parameter("bias", 0, spec.units, Role::bias);
    if (part_.learns()) slope_ = this->add_parameter("slope", 0, spec.units, Role::slope);
  }

  std::unique_ptr<Layer<T>> clone() const override { return std::make_unique<DenseLayer>(*this); }

  void initialize(const Random& random, Vector<T> parameters, Vector<T>) const override {
    lamina::initialize<T>(rule(), spec_.activation, random, matrix_in(parameters, weight_));
    if (part_.learns()) part_.initialize(parameters.at(slope_.range()));
  }

  bool starts_from_data() const override { return follows_from_data(spec_.initializer); }

  /// Columns of W scaled so that z has a standard deviation of 1 over the sample; b_j = -sum_k lambda_k z_kj for random
  /// rows k, lambda uniform on the simplex.
  void initialize_from_data(const Random& random, const Matrix<const T>& sample, Vector<T> parameters,
                            Vector<T>) const override {
    const Index rows = sample.rows(), units = this->outputs();
    Arena<T> memory(rows * units), moments(2 * units);
    const Matrix<T> z(memory.data(), rows, units);
    Vector<T> mean(moments.data(), units), squares(moments.data() + units, units);
    kernels::PackBuffer<T> buffer;
    Matrix<T> W = matrix_in(parameters, weight_);
    kernels::product(sample, W, z, buffer);
    kernels::column_sums(z, mean);
    mean /= static_cast<T>(rows);
    kernels::column_squares(z, mean, squares);
    for (Index j = 0; j < units; ++j) {
      const double deviation = std::sqrt(static_cast<double>(squares[j]) / static_cast<double>(rows));
      // What rounding has left of a unit whose inputs are all constant has no deviation.
      const double least = 16 * static_cast<double>(std::numeric_limits<T>::epsilon() * std::abs(mean[j]));
      const double factor = deviation > least ? 1 / deviation : scale();
      W.col(j) *= static_cast<T>(factor / scale());
      if (!spec_.use_bias) continue;
      double mixture = 0, whole = 0;
      for (Index k = 0; k < mixed_rows; ++k) {
        const auto draw = static_cast<std::uint64_t>(j * mixed_rows + k);
        const double share = standard_exponential(random, draw);
        const auto row = static_cast<Index>(random.part(1).uniform(draw) * static_cast<double>(rows));
        mixture += share * (factor * static_cast<double>(z(row, j)));
        whole += share;
      }
      parameters.at(bias_.range())[j] = static_cast<T>(-mixture / whole);
    }
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

  /// delta <- delta f'(z), by x W.
  void scale_delta(const Pass<T>&, const Weights<T>&, const Tape<T>& tape, const Block& block) const override {
    part_.scale_delta(tape, block);
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
    if (spec_.use_bias) part_.bias_gradient(bias_, tape, sink);
    if (part_.learns()) part_.slope_gradient(slope_, tape, sink);
  }

 private:
  /// What x W is multiplied by.
  double scale() const { return spec_.ntk() ? 1 / std::sqrt(static_cast<double>(this->inputs())) : 1; }
  /// Where the scale keeps signals in size, weights of N(0, 1) do.
  Initializer rule() const {
    const bool open = std::holds_alternative<initializer::Auto>(spec_.initializer) || starts_from_data();
    return spec_.ntk() && open ? initializer::Normal{} : spec_.initializer;
  }

  layer::Dense spec_;
  ActivationPart<T> part_;
  Parameter weight_, bias_, slope_;
};

}  // namespace

void layer::Dense::check() const {
  if (parametrization != "standard" && parametrization != "ntk")
    throw std::invalid_argument("parametrization of Dense must be 'standard' or 'ntk'; got '" + parametrization + "'");
  ActivationPart<float>::check(activation, parametric, name);
}

template <class T> std::unique_ptr<Layer<T>> layer::Dense::build(Index inputs) const {
  return std::make_unique<DenseLayer<T>>(*this, inputs);
}
template std::unique_ptr<Layer<float>> layer::Dense::build<float>(Index) const;
template std::unique_ptr<Layer<double>> layer::Dense::build<double>(Index) const;

}  // namespace lamina
