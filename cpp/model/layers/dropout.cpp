#include "model/layers/dropout.hpp"

#include <algorithm>
#include <array>

namespace lamina {
namespace {

/// A step's words, one an element, of which a block has four: drawn for a run of elements at once.
class Words {
  static constexpr int blocks = 32;

 public:
  static constexpr Index size = 4 * blocks;
  using Run = std::array<std::uint32_t, size>;

  Words(const Random& random, std::uint64_t step) : random_(random), first_(step << 32) {}
  /// Those of the run that `element` lies in, which begins at a multiple of `size`.
  void draw(std::uint64_t element, Run& run) const {
    std::uint32_t by_place[4][blocks];
    random_.draw(first_ + element / size * blocks, by_place);
    for (std::size_t b = 0; b < blocks; ++b) {
      for (std::size_t place = 0; place < 4; ++place) run[4 * b + place] = by_place[place][b];
    }
  }

 private:
  Random random_;
  std::uint64_t first_;
};

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
    if (keep == 0) {  // a rate that is 1 but for rounding
      y = T(0);
      return;
    }
    const Words words(Random(pass.seed, Purpose::layer, layer), pass.step);
    const auto last = static_cast<std::uint32_t>(keep - 1);
    const T scale = static_cast<T>(1 / (1 - rate));
    auto element = static_cast<std::uint64_t>((pass.first_row + first) * this->outputs());
    Words::Run word{};
    for (Index i = 0; i < x.rows(); ++i) {
      const T* const from = x.row_data(i);
      T* const to = y.row_data(i);
      for (Index j = 0, end = 0; j < x.cols(); j = end) {
        if (i + j == 0 || element % Words::size == 0) words.draw(element, word);
        const auto begin = static_cast<Index>(element % Words::size);
        end = std::min(x.cols(), j + Words::size - begin);
        for (Index n = 0; n < end - j; ++n) to[j + n] = word[begin + n] <= last ? from[j + n] * scale : T(0);
        element += static_cast<std::uint64_t>(end - j);
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
