#include "model/layers/gaussian_noise.hpp"

#include "math/normal.hpp"

namespace lamina {
namespace {

template <class T> class GaussianNoiseLayer final : public Layer<T> {
 public:
  GaussianNoiseLayer(const layer::GaussianNoise& spec, Index inputs)
      : Layer<T>(inputs, inputs), deviation_(spec.deviation) {}

  std::unique_ptr<Layer<T>> clone() const override { return std::make_unique<GaussianNoiseLayer>(*this); }

  bool random() const override { return true; }
  bool predicts_in_place() const override { return true; }

  /// y = x + n.
  void forward(const Pass<T>& pass, const Weights<T>&, const Tape<T>& tape, Range rows, Scratch<T>&) const override {
    const Matrix<const T> x = tape.input.at_rows(rows);
    Matrix<T> y = tape.output.at_rows(rows);
    if (y.data() != x.data()) y = x;
    if (!pass.training) return;
    const Random random(pass.seed, Purpose::layer, tape.layer);
    // A draw belongs to an element of the batch, so that neither threads nor chunks decide it.
    auto element = static_cast<std::uint64_t>((pass.first_row + rows.begin) * this->outputs());
    for (Index i = 0; i < y.rows(); ++i) {
      for (Index j = 0; j < y.cols(); ++j, ++element)
        y(i, j) += static_cast<T>(deviation_ * standard_normal(random, (pass.step << 32) + element));
    }
  }

  /// dE / dx = delta.
  void backward(const Pass<T>&, const Weights<T>&, const Tape<T>& tape, const Matrix<T>& input_delta, Range rows,
                Scratch<T>&, kernels::Epilogue finished) const override {
    input_delta.at_rows(rows) = tape.delta.at_rows(rows);
    if (finished) finished({rows, {0, this->outputs()}});
  }

 private:
  double deviation_;
};

}  // namespace

template <class T> std::unique_ptr<Layer<T>> layer::GaussianNoise::build(Index inputs) const {
  return std::make_unique<GaussianNoiseLayer<T>>(*this, inputs);
}
template std::unique_ptr<Layer<float>> layer::GaussianNoise::build<float>(Index) const;
template std::unique_ptr<Layer<double>> layer::GaussianNoise::build<double>(Index) const;

}  // namespace lamina
