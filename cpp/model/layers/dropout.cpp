#include "model/layers/dropout.hpp"

#include <algorithm>

namespace lamina {
namespace {

template <class T> class DropoutLayer final : public Layer<T> {
 public:
  DropoutLayer(const layer::Dropout& spec, Index inputs)
      : Layer<T>(inputs, inputs),
        keep_(static_cast<std::uint64_t>((1 - spec.rate) * 0x1p32)),
        scale_(static_cast<T>(1 / (1 - spec.rate))) {}

  std::unique_ptr<Layer<T>> clone() const override { return std::make_unique<DropoutLayer>(*this); }

  bool random() const override { return true; }

  void forward(const Pass& pass, Weights<T>, const Tape<T>& tape, Range rows, Scratch<T>&) const override {
    const Index n = this->outputs();
    const Index begin = rows.begin * n, end = rows.end * n;
    if (pass.training) masked(pass, tape.layer, tape.input, tape.output, begin, end);
    else std::copy(tape.input + begin, tape.input + end, tape.output + begin);
  }
  void backward(const Pass& pass, Weights<T>, const Tape<T>& tape, T* input_delta, Range rows, Scratch<T>&,
                kernels::Epilogue<T> finished) const override {
    const Index n = this->outputs();
    const Index begin = rows.begin * n, end = rows.end * n;
    if (pass.training) masked(pass, tape.layer, tape.delta, input_delta, begin, end);
    else std::copy(tape.delta + begin, tape.delta + end, input_delta + begin);
    if (finished) finished(rows.begin, rows.size(), 0, n);
  }

 private:
  /// y = x m / (1 - rate): the backward pass draws the mask anew, the same for the same seed, layer, step and element.
  void masked(const Pass& pass, std::uint32_t layer, const T* x, T* y, Index begin, Index end) const {
    const Random random(pass.seed, Purpose::dropout, layer);
    const Index shift = pass.first_row * this->outputs();
    Random::Block words{};
    for (Index i = begin; i < end; ++i) {
      const auto element = static_cast<std::uint64_t>(shift + i);
      if (element % 4 == 0 || i == begin) words = random((pass.step << 32) + element / 4);
      y[i] = words[element % 4] < keep_ ? x[i] * scale_ : T(0);
    }
  }

  std::uint64_t keep_;
  T scale_;
};

}  // namespace

template <class T> std::unique_ptr<Layer<T>> layer::Dropout::build(Index inputs) const {
  return std::make_unique<DropoutLayer<T>>(*this, inputs);
}
template std::unique_ptr<Layer<float>> layer::Dropout::build<float>(Index) const;
template std::unique_ptr<Layer<double>> layer::Dropout::build<double>(Index) const;

}  // namespace lamina
