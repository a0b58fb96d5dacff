#include "model/layers/dense.hpp"

#include <algorithm>

#include "kernels/simd.hpp"
#include "model/activation_part.hpp"

namespace lamina {
namespace {

using kernels::Operand;

template <class T> class DenseLayer final : public Layer<T> {
 public:
  DenseLayer(const layer::Dense& spec, Index inputs)
      : Layer<T>(inputs, spec.units), spec_(spec), part_(spec.activation, spec.units) {}

  std::unique_ptr<Layer<T>> clone() const override { return std::make_unique<DenseLayer>(*this); }

  std::vector<ParameterInfo> parameters() const override {
    std::vector<ParameterInfo> list{{"weight", this->inputs(), this->outputs(), Role::weight, 0}};
    if (spec_.use_bias) list.push_back({"bias", 0, this->outputs(), Role::bias, bias_at()});
    for (auto& p : part_.parameters(slope_at())) list.push_back(p);
    return list;
  }

  void initialize(const Random& random, T* parameters, T*) const override {
    lamina::initialize(spec_.initializer, spec_.activation, random, parameters, this->inputs(), this->outputs());
    if (spec_.use_bias) std::fill_n(parameters + bias_at(), this->outputs(), T(0));
    part_.initialize(parameters + slope_at());
  }

  bool random() const override { return part_.random(); }
  Index kept_per_row() const override { return part_.kept_per_row(); }
  bool takes_rescaling() const override { return std::holds_alternative<activation::Identity>(spec_.activation); }
  double work_per_row() const override { return 2.0 * static_cast<double>(this->inputs() * this->outputs()); }

  void forward(const Pass& pass, Weights<T> w, const Tape<T>& tape, Range rows, Scratch<T>& scratch) const override {
    const T* bias = spec_.use_bias ? w.parameters + bias_at() : nullptr;
    const auto finish = [&](Index row, Index n, Index column, Index m) {
      if (tape.scale) rescale(tape, bias, rows.begin + row, n, column, m);
      else part_.forward(pass, tape, bias, w.parameters + slope_at(), rows.begin + row, n, column, m);
    };
    kernels::product<T>(rows.size(), this->outputs(), this->inputs(),
                        {tape.input + rows.begin * this->inputs(), this->inputs(), 1},
                        {w.parameters, this->outputs(), 1}, part_.pre_activation(tape) + rows.begin * this->outputs(),
                        this->outputs(), false, scratch, finish);
  }

  void scale_delta(const Pass& pass, Weights<T> w, const Tape<T>& tape, Index row, Index rows, Index column,
                   Index columns) const override {
    part_.scale_delta(pass, tape, w.parameters + slope_at(), row, rows, column, columns);
  }

  void backward(const Pass&, Weights<T> w, const Tape<T>& tape, T* input_delta, Range rows, Scratch<T>& scratch,
                kernels::Epilogue<T> finished) const override {
    const auto shifted = [&](Index row, Index n, Index column, Index m) { finished(rows.begin + row, n, column, m); };
    kernels::product<T>(rows.size(), this->inputs(), this->outputs(),
                        {tape.delta + rows.begin * this->outputs(), this->outputs(), 1},
                        {w.parameters, 1, this->outputs()}, input_delta + rows.begin * this->inputs(), this->inputs(),
                        false, scratch, finished ? kernels::Epilogue<T>(shifted) : kernels::Epilogue<T>());
  }

  void gradients(const Pass&, const Tape<T>& tape, T* gradients, bool accumulate, Index part, Index parts,
                 Scratch<T>& scratch) const override {
    const Range in = part_of(this->inputs(), part, parts, 4), out = part_of(this->outputs(), part, parts, 16);
    kernels::product<T>(in.size(), this->outputs(), tape.rows, {tape.input + in.begin, 1, this->inputs()},
                        {tape.delta, this->outputs(), 1}, gradients + in.begin * this->outputs(), this->outputs(),
                        accumulate, scratch);
    if (spec_.use_bias) sum_rows(tape.delta, tape.rows, this->outputs(), out, gradients + bias_at(), accumulate);
    if (part_.learns()) part_.slope_gradient(tape, gradients + slope_at(), accumulate, out);
  }

  bool steps() const override { return true; }

  void step(const Pass&, const Tape<T>& tape, Index offset, Index part, Index parts, Scratch<T>& scratch,
            StepScratch<T>& memory, const StepOn<T>& step_on) const override {
    constexpr Index piece_size = 65536, least_rows = 64;  // a piece of 256 KiB in float: half of a second-level cache
    const Index m = this->inputs(), n = this->outputs();
    const Range in = part_of(m, part, parts, 4), out = part_of(n, part, parts, 16);
    const Index height = std::max(least_rows, piece_size / n / least_rows * least_rows);
    T* const piece = memory.piece.reserve(std::max<Index>(1, std::min(height, in.size())) * n);
    const bool several = in.size() > height;
    if (several) memory.delta.pack(n, tape.rows, {tape.delta, n, 1});
    for (Index row = in.begin; row < in.end; row += height) {
      const Index rows = std::min(height, in.end - row);
      const Operand<T> x{tape.input + row, 1, m};
      if (several) kernels::product<T>(rows, x, memory.delta, piece, n, false, scratch);
      else kernels::product<T>(rows, n, tape.rows, x, {tape.delta, n, 1}, piece, n, false, scratch);
      step_on(offset + row * n, piece, rows * n, true);
    }
    if (spec_.use_bias) {
      sum_rows(tape.delta, tape.rows, n, out, piece, false);
      step_on(offset + bias_at() + out.begin, piece + out.begin, out.size(), false);
    }
    if (part_.learns()) {
      part_.slope_gradient(tape, piece, false, out);
      step_on(offset + slope_at() + out.begin, piece + out.begin, out.size(), false);
    }
  }

 private:
  Index bias_at() const { return this->inputs() * this->outputs(); }
  Index slope_at() const { return bias_at() + (spec_.use_bias ? this->outputs() : 0); }

  /// y = scale (z + bias) + shift for one block: scaling z instead of the weights gives every row the same bits, and
  /// needs no copy of weights that may change from call to call.
  void rescale(const Tape<T>& tape, const T* bias, Index row, Index rows, Index column, Index columns) const {
    constexpr int N = simd::lanes<T>;
    using V = simd::Vec<T, N>;
    const Index stride = this->outputs();
    T* const z = tape.output + row * stride + column;
    const T* const scale = tape.scale + column;
    const T* const shift = tape.shift + column;
    for (Index j = 0; j < columns; j += N) {
      const Index count = std::min<Index>(N, columns - j);
      const V a = V::load_partial(scale + j, count), b = V::load_partial(shift + j, count);
      const V c = bias ? V::load_partial(bias + column + j, count) : V(T(0));
      for (Index i = 0; i < rows; ++i) {
        T* const at = z + i * stride + j;
        if (count == N) fma(a, V::load(at) + c, b).store(at);
        else fma(a, V::load_partial(at, count) + c, b).store_partial(at, count);
      }
    }
  }

  layer::Dense spec_;
  ActivationPart<T> part_;
};

}  // namespace

template <class T> std::unique_ptr<Layer<T>> layer::Dense::build(Index inputs) const {
  return std::make_unique<DenseLayer<T>>(*this, inputs);
}
template std::unique_ptr<Layer<float>> layer::Dense::build<float>(Index) const;
template std::unique_ptr<Layer<double>> layer::Dense::build<double>(Index) const;

}  // namespace lamina
