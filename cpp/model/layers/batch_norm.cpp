#include "model/layers/batch_norm.hpp"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "kernels/simd.hpp"

namespace lamina {
namespace {

/// Statistics of a column run down the rows, a vector of columns at a time: one order, whatever the width. Kept: the
/// normalised input, and 1 / sqrt(variance + epsilon) by column.
template <class T> class BatchNormLayer final : public Layer<T> {
  static constexpr int N = simd::lanes<T>;
  using V = simd::Vec<T, N>;

 public:
  BatchNormLayer(const layer::BatchNorm& spec, Index inputs) : Layer<T>(inputs, inputs), spec_(spec) {}

  std::unique_ptr<Layer<T>> clone() const override { return std::make_unique<BatchNormLayer>(*this); }

  std::vector<ParameterInfo> parameters() const override {
    const Index n = this->outputs();
    return {{"gamma", 0, n, Role::gain, 0},
            {"beta", 0, n, Role::bias, n},
            {"running_mean", 0, n, Role::gain, 0, false},
            {"running_variance", 0, n, Role::gain, n, false}};
  }
  void initialize(const Random&, T* parameters, T* state) const override {
    const Index n = this->outputs();
    std::fill_n(parameters, n, T(1));
    std::fill_n(parameters + n, n, T(0));
    std::fill_n(state, n, T(0));
    std::fill_n(state + n, n, T(1));
  }

  Split split() const override { return Split::columns; }
  Index kept_per_row() const override { return this->outputs(); }
  Index kept_per_batch() const override { return this->outputs(); }
  void check_batch(Index rows) const override {
    if (rows < 2) {
      throw std::invalid_argument(
          "batch_size leaves a batch of 1 row, and BatchNorm has no variance to normalise by: "
          "wanted at least 2 rows in every training batch");
    }
  }

  void forward(const Pass& pass, Weights<T> w, const Tape<T>& tape, Range part, Scratch<T>&) const override {
    if (pass.training) normalise_batch(pass, w, tape, part);
    else apply_running(w, tape, part);
  }

  // With x^ the normalised input: dx = gamma q (d - mean(d) - x^ mean(d x^)), q = 1 / sqrt(variance + epsilon).
  void backward(const Pass& pass, Weights<T> w, const Tape<T>& tape, T* input_delta, Range part, Scratch<T>&,
                kernels::Epilogue<T> finished) const override {
    const Index n = this->outputs();
    for (Index j = part.begin; j < part.end; j += N) {
      const Index count = std::min<Index>(N, part.end - j);
      V sum(T(0)), along(T(0));
      if (pass.training) {
        for (Index i = 0; i < tape.rows; ++i) {
          const V d = V::load_partial(tape.delta + i * n + j, count);
          sum += d;
          along = fma(d, V::load_partial(tape.kept + i * n + j, count), along);
        }
      }
      const V rows(static_cast<T>(tape.rows));
      const V mean = sum / rows, slope = along / rows;
      const V gamma = V::load_partial(w.parameters + j, count);
      const V factor = gamma * (pass.training ? V::load_partial(tape.shared + j, count) : running_factor(w, j, count));
      for (Index i = 0; i < tape.rows; ++i) {
        V d = V::load_partial(tape.delta + i * n + j, count);
        if (pass.training) d = d - mean - V::load_partial(tape.kept + i * n + j, count) * slope;
        (factor * d).store_partial(input_delta + i * n + j, count);
      }
    }
    if (finished) finished(0, tape.rows, part.begin, part.size());
  }

  void gradients(const Pass&, const Tape<T>& tape, T* gradients, bool accumulate, Index part, Index parts,
                 Scratch<T>&) const override {
    const Index n = this->outputs();
    const Range columns = part_of(n, part, parts, 16);
    for (Index j = columns.begin; j < columns.end; j += N) {
      const Index count = std::min<Index>(N, columns.end - j);
      V gamma = accumulate ? V::load_partial(gradients + j, count) : V(T(0));
      V beta = accumulate ? V::load_partial(gradients + n + j, count) : V(T(0));
      for (Index i = 0; i < tape.rows; ++i) {
        const V d = V::load_partial(tape.delta + i * n + j, count);
        beta += d;
        gamma = fma(d, V::load_partial(tape.kept + i * n + j, count), gamma);
      }
      gamma.store_partial(gradients + j, count);
      beta.store_partial(gradients + n + j, count);
    }
  }

 private:
  V running_factor(Weights<T> w, Index j, Index count) const {
    const V variance = V::load_partial(w.state + this->outputs() + j, count);
    return V(T(1)) / sqrt(variance + V(static_cast<T>(spec_.epsilon)));
  }

  void normalise_batch(const Pass& pass, Weights<T> w, const Tape<T>& tape, Range part) const {
    const Index n = this->outputs(), rows = tape.rows;
    const V count_rows(static_cast<T>(rows)), m(static_cast<T>(spec_.momentum));
    const V unbiased(static_cast<T>(static_cast<double>(rows) / static_cast<double>(rows > 1 ? rows - 1 : 1)));
    for (Index j = part.begin; j < part.end; j += N) {
      const Index count = std::min<Index>(N, part.end - j);
      const auto x = [&](Index i) { return V::load_partial(tape.input + i * n + j, count); };
      V mean(T(0)), variance(T(0));
      for (Index i = 0; i < rows; ++i) mean += x(i);
      mean = mean / count_rows;
      for (Index i = 0; i < rows; ++i) {
        const V e = x(i) - mean;
        variance = fma(e, e, variance);
      }
      variance = variance / count_rows;
      const V q = V(T(1)) / sqrt(variance + V(static_cast<T>(spec_.epsilon)));
      q.store_partial(tape.shared + j, count);
      const V gamma = V::load_partial(w.parameters + j, count), beta = V::load_partial(w.parameters + n + j, count);
      for (Index i = 0; i < rows; ++i) {
        const V normalised = (x(i) - mean) * q;
        normalised.store_partial(tape.kept + i * n + j, count);
        fma(gamma, normalised, beta).store_partial(tape.output + i * n + j, count);
      }
      if (pass.update_statistics) {
        const auto blend = [&](T* running, V batch) {
          const V old = V::load_partial(running, count);
          fma(m, batch - old, old).store_partial(running, count);
        };
        blend(w.state + j, mean);
        blend(w.state + n + j, variance * unbiased);
      }
    }
  }

  void apply_running(Weights<T> w, const Tape<T>& tape, Range rows) const {
    const Index n = this->outputs();
    for (Index i = rows.begin; i < rows.end; ++i) {
      for (Index j = 0; j < n; j += N) {
        const Index count = std::min<Index>(N, n - j);
        const V mean = V::load_partial(w.state + j, count);
        const V normalised = (V::load_partial(tape.input + i * n + j, count) - mean) * running_factor(w, j, count);
        if (tape.kept) normalised.store_partial(tape.kept + i * n + j, count);
        const V gamma = V::load_partial(w.parameters + j, count), beta = V::load_partial(w.parameters + n + j, count);
        fma(gamma, normalised, beta).store_partial(tape.output + i * n + j, count);
      }
    }
  }

  layer::BatchNorm spec_;
};

}  // namespace

template <class T> std::unique_ptr<Layer<T>> layer::BatchNorm::build(Index inputs) const {
  return std::make_unique<BatchNormLayer<T>>(*this, inputs);
}
template std::unique_ptr<Layer<float>> layer::BatchNorm::build<float>(Index) const;
template std::unique_ptr<Layer<double>> layer::BatchNorm::build<double>(Index) const;

}  // namespace lamina
