#include "model/layers/dropout.hpp"

namespace lamina {
namespace {

template <class T> class DropoutLayer final : public Layer<T> {
 public:
  DropoutLayer(const layer::Dropout& spec, Index inputs) : Layer<T>(inputs, inputs), rate_(spec.rate) {}

  std::unique_ptr<Layer<T>> clone() const override { return std::make_unique<DropoutLayer>(*this); }

  bool random() const override { return true; }

  bool predicts_in_place() const override { return true; }

  void forward(const Pass<T>& pass, const Weights<T>&, const Tape<T>& tape, Range rows, Scratch<T>&) const override {
    apply(pass, tape.layer, tape.input.at_rows(rows), tape.output.at_rows(rows), rows.begin);
  }
  void backward(const Pass<T>& pass, const Weights<T>&, const Tape<T>& tape, const Matrix<T>& input_delta, Range rows,
                Scratch<T>&, kernels::Epilogue finished) const override {
    apply(pass, tape.layer, tape.delta.at_rows(rows), input_delta.at_rows(rows), rows.begin);
    if (finished) finished({rows, {0, this->outputs()}});
  }

 private:
  /// y = x m / (1 - rate) for rows from number `first` of the chunk on: the backward pass draws the mask anew, the same
  /// for the same seed, layer, step and element.
  void apply(const Pass<T>& pass, std::uint32_t layer, const Matrix<const T>& x, Matrix<T> y, Index first) const {
    const double rate = pass.training ? rate_ * pass.dropout : 0;
    if (rate == 0) {
      if (y.data() != x.data()) y = x;
      return;
    }
    const auto keep = static_cast<std::uint64_t>((1 - rate) * 0x1p32);
    const T scale = static_cast<T>(1 / (1 - rate));
    const Random random(pass.seed, Purpose::layer, layer);
    auto element = static_cast<std::uint64_t>((pass.first_row + first) * this->outputs());
    Random::Block words = random((pass.step << 32) + element / 4);
    for (Index i = 0; i < x.rows(); ++i) {
      for (Index j = 0; j < x.cols(); ++j, ++element) {
        if (element % 4 == 0) words = random((pass.step << 32) + element / 4);
        y(i, j) = words[element % 4] < keep ? x(i, j) * scale : T(0);
      }
    }
  }

  double rate_;
};

}  // namespace

template <class T> std::unique_ptr<Layer<T>> layer::Dropout::build(Index inputs) const {
  return std::make_unique<DropoutLayer<T>>(*this, inputs);
}
template std::unique_ptr<Layer<float>> layer::Dropout::build<float>(Index) const;
template std::unique_ptr<Layer<double>> layer::Dropout::build<double>(Index) const;

}  // namespace lamina
