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

  // Whole vectors, which most are, without a mask.
  static LAMINA_INLINE V load(const T* p, Index count) { return count == N ? V::load(p) : V::load_partial(p, count); }
  static LAMINA_INLINE void store(V v, T* p, Index count) {
    if (count == N) v.store(p);
    else v.store_partial(p, count);
  }

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

  bool rescales() const override { return true; }
  void rescaling(Weights<T> w, T* scale, T* shift) const override {
    const Index n = this->outputs();
    for (Index j = 0; j < n; j += N) {
      const Index count = std::min<Index>(N, n - j);
      const V a = load(w.parameters + j, count) * running_factor(w, j, count);
      store(a, scale + j, count);
      store(fma(-load(w.state + j, count), a, load(w.parameters + n + j, count)), shift + j, count);
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
          const V d = load(tape.delta + i * n + j, count);
          sum += d;
          along = fma(d, load(tape.kept + i * n + j, count), along);
        }
      }
      const V rows(static_cast<T>(tape.rows));
      const V mean = sum / rows, slope = along / rows;
      const V gamma = load(w.parameters + j, count);
      const V factor = gamma * (pass.training ? load(tape.shared + j, count) : running_factor(w, j, count));
      for (Index i = 0; i < tape.rows; ++i) {
        V d = load(tape.delta + i * n + j, count);
        if (pass.training) d = d - mean - load(tape.kept + i * n + j, count) * slope;
        store(factor * d, input_delta + i * n + j, count);
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
      V gamma = accumulate ? load(gradients + j, count) : V(T(0));
      V beta = accumulate ? load(gradients + n + j, count) : V(T(0));
      for (Index i = 0; i < tape.rows; ++i) {
        const V d = load(tape.delta + i * n + j, count);
        beta += d;
        gamma = fma(d, load(tape.kept + i * n + j, count), gamma);
      }
      store(gamma, gradients + j, count);
      store(beta, gradients + n + j, count);
    }
  }

 private:
  V running_factor(Weights<T> w, Index j, Index count) const {
    const V variance = load(w.state + this->outputs() + j, count);
    return V(T(1)) / sqrt(variance + V(static_cast<T>(spec_.epsilon)));
  }

  void normalise_batch(const Pass& pass, Weights<T> w, const Tape<T>& tape, Range part) const {
    const Index n = this->outputs(), rows = tape.rows;
    const V count_rows(static_cast<T>(rows)), m(static_cast<T>(spec_.momentum));
    const V unbiased(static_cast<T>(static_cast<double>(rows) / static_cast<double>(rows > 1 ? rows - 1 : 1)));
    for (Index j = part.begin; j < part.end; j += N) {
      const Index count = std::min<Index>(N, part.end - j);
      const auto x = [&](Index i) { return load(tape.input + i * n + j, count); };
      V mean(T(0)), variance(T(0));
      for (Index i = 0; i < rows; ++i) mean += x(i);
      mean = mean / count_rows;
      for (Index i = 0; i < rows; ++i) {
        const V e = x(i) - mean;
        variance = fma(e, e, variance);
      }
      variance = variance / count_rows;
      const V q = V(T(1)) / sqrt(variance + V(static_cast<T>(spec_.epsilon)));
      store(q, tape.shared + j, count);
      const V gamma = load(w.parameters + j, count), beta = load(w.parameters + n + j, count);
      for (Index i = 0; i < rows; ++i) {
        const V normalised = (x(i) - mean) * q;
        store(normalised, tape.kept + i * n + j, count);
        store(fma(gamma, normalised, beta), tape.output + i * n + j, count);
      }
      if (pass.update_statistics) {
        const auto blend = [&](T* running, V batch) {
          const V old = load(running, count);
          store(fma(m, batch - old, old), running, count);
        };
        blend(w.state + j, mean);
        blend(w.state + n + j, variance * unbiased);
      }
    }
  }

  /// For prediction all of it is one multiply-add a value: y = x s + (beta - mean s), s = gamma / sqrt(variance + eps).
  void apply_running(Weights<T> w, const Tape<T>& tape, Range rows) const {
    constexpr Index rows_at_once = 32;  // in cache while the columns pass, whose factors are worth computing once
    const Index n = this->outputs();
    const bool keeps = tape.kept && tape.kept != tape.output;
    for (Index first = rows.begin; first < rows.end; first += rows_at_once) {
      const Index last = std::min(rows.end, first + rows_at_once);
      for (Index j = 0; j < n; j += N) {
        const Index count = std::min<Index>(N, n - j);
        const V factor = running_factor(w, j, count), mean = load(w.state + j, count);
        const V scale = load(w.parameters + j, count) * factor;
        const V shift = fma(-mean, scale, load(w.parameters + n + j, count));
        for (Index i = first; i < last; ++i) {
          const V x = load(tape.input + i * n + j, count);
          if (keeps) store((x - mean) * factor, tape.kept + i * n + j, count);
          store(fma(x, scale, shift), tape.output + i * n + j, count);
        }
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
