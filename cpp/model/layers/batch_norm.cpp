#include "model/layers/batch_norm.hpp"

#include <algorithm>
#include <stdexcept>

namespace lamina {
namespace {

/// Kept of a batch: the normalised input; and by column, in rows of `shared`, what a formula needs of the whole batch.
template <class T> class BatchNormLayer final : public Layer<T> {
 public:
  BatchNormLayer(const layer::BatchNorm& spec, Index inputs)
      : Layer<T>(inputs, inputs),
        momentum_(static_cast<T>(spec.momentum)),
        epsilon_(static_cast<T>(spec.epsilon)),
        gamma_(this->add_parameter("gamma", 0, inputs, Role::gain)),
        beta_(this->add_parameter("beta", 0, inputs, Role::bias)),
        mean_(this->add_parameter("running_mean", 0, inputs, Role::gain, false)),
        variance_(this->add_parameter("running_variance", 0, inputs, Role::gain, false)) {}

  std::unique_ptr<Layer<T>> clone() const override { return std::make_unique<BatchNormLayer>(*this); }

  void initialize(const Random&, Vector<T> parameters, Vector<T> state) const override {
    parameters.at(gamma_.range()) = T(1);
    state.at(variance_.range()) = T(1);
  }

  Split split() const override { return Split::columns; }
  bool predicts_in_place() const override { return true; }
  Index kept_per_row() const override { return this->outputs(); }
  Index kept_per_batch() const override { return 4; }
  Index least_batch() const override { return 2; }  // one row has no variance to normalise by

  void forward(const Pass<T>& pass, const Weights<T>& w, const Tape<T>& tape, Range part,
               Scratch<T>& scratch) const override {
    if (pass.training) normalise_batch(w, tape, part);
    else apply_running(w, tape, part, scratch);
  }

  /// dx = gamma q (d - w (sum(d) + x^ sum(d x^)) / sum(w)), where x^ is the normalised input, q = 1 / sqrt(variance +
  /// epsilon) and w the weights of the rows, which are in d already.
  void backward(const Pass<T>& pass, const Weights<T>& w, const Tape<T>& tape, const Matrix<T>& input_delta, Range part,
                Scratch<T>&, kernels::Epilogue finished) const override {
    const Matrix<const T> d = tape.delta.at_columns(part), x_hat = normalised(tape, part);
    const Vector<const T> gamma = w.vector(gamma_).at(part);
    const Vector<T> q = shared(tape, 0, part);
    Vector<T> mean_d = shared(tape, 1, part), mean_dx = shared(tape, 2, part), gain = shared(tape, 3, part);
    Matrix<T> dx = input_delta.at_columns(part);
    if (pass.training) {
      const T n = static_cast<T>(counted(tape).rows);
      kernels::column_sums(d, mean_d);
      kernels::column_products(d, x_hat, mean_dx);
      mean_d /= n;
      mean_dx /= n;
      gain = gamma * q;
      if (tape.row_weights.empty()) {
        dx = ((d.rowwise() - mean_d) - x_hat.rowwise() * mean_dx).rowwise() * gain;
      } else {
        for (Index i = 0; i < d.rows(); ++i)
          dx.row(i) = (d.row(i) - tape.row_weights[i] * (mean_d + x_hat.row(i) * mean_dx)) * gain;
      }
    } else {
      gain = gamma / (w.vector(variance_).at(part) + epsilon_).sqrt();
      dx = d.rowwise() * gain;
    }
    if (finished) finished({{0, d.rows()}, part});
  }

  /// dE / dgamma = sum d x^, dE / dbeta = sum d.
  void gradients(const Tape<T>& tape, const GradientSink<T>& sink) const override {
    sink.vector(gamma_, [&](Range part, const Vector<T>& to, kernels::Store store, const Vector<T>& lost) {
      kernels::column_products(tape.delta.at_columns(part), normalised(tape, part), to, store, lost);
    });
    sink.column_sums(beta_, tape.delta);
  }

 private:
  static Vector<T> shared(const Tape<T>& tape, Index row, Range part) {
    return {tape.shared.row_data(row) + part.begin, part.size()};
  }
  Matrix<T> normalised(const Tape<T>& tape, Range part) const {
    return tape.kept_matrix(0, this->outputs()).at_columns(part);
  }
  /// How many rows a batch has, weights counted: what its sums are divided by, and what makes its variance unbiased.
  struct Counted {
    double rows, unbiased;
  };
  /// A row of weight k stands for k equal rows. Weights that are no numbers of rows may sum to less than there are:
  /// then their scale says nothing, and what is unbiased goes by Kish's effective number of rows.
  static Counted counted(const Tape<T>& tape) {
    auto n = static_cast<double>(tape.rows());
    double known = n;
    if (!tape.row_weights.empty()) {
      double squares = n = 0;
      for (const T w : tape.row_weights) {
        n += static_cast<double>(w);
        squares += static_cast<double>(w) * static_cast<double>(w);
      }
      known = std::max(n, n * n / squares);
    }
    return {n, known > 1 ? known / (known - 1) : 1};
  }
  static void column_means(const Tape<T>& tape, Range part, double n, Vector<T> mean) {
    const Matrix<const T> x = tape.input.at_columns(part);
    if (tape.row_weights.empty()) kernels::column_sums(x, mean);
    else kernels::weighted_column_sums(x, tape.row_weights, mean);
    mean /= static_cast<T>(n);
  }
  static void column_variances(const Tape<T>& tape, Range part, double n, const Vector<const T>& mean,
                               Vector<T> variance) {
    const Matrix<const T> x = tape.input.at_columns(part);
    if (tape.row_weights.empty()) kernels::column_squares(x, mean, variance);
    else kernels::weighted_column_squares(x, mean, tape.row_weights, variance);
    variance /= static_cast<T>(n);
  }

  /// x^ = (x - mean) q, y = gamma x^ + beta; the running values move by `momentum` of the way to the batch's, of which
  /// the variance is made unbiased.
  void normalise_batch(const Weights<T>& w, const Tape<T>& tape, Range part) const {
    const Matrix<const T> x = tape.input.at_columns(part);
    Matrix<T> x_hat = normalised(tape, part), y = tape.output.at_columns(part);
    Vector<T> q = shared(tape, 0, part), mean = shared(tape, 1, part), variance = shared(tape, 2, part);
    const auto [n, unbiased] = counted(tape);
    column_means(tape, part, n, mean);
    column_variances(tape, part, n, mean, variance);
    q = T(1) / (variance + epsilon_).sqrt();
    x_hat = (x.rowwise() - mean).rowwise() * q;
    y = (x_hat.rowwise() * w.vector(gamma_).at(part)).rowwise() + w.vector(beta_).at(part);
    if (w.moving.empty()) return;
    Vector<T> running_mean = w.moved(mean_).at(part), running_variance = w.moved(variance_).at(part);
    running_mean += momentum_ * (mean - running_mean);
    running_variance += momentum_ * (variance * static_cast<T>(unbiased) - running_variance);
  }

  /// y = x s + (beta - mean s), s = gamma / sqrt(variance + epsilon): one multiplication and addition a value.
  void apply_running(const Weights<T>& w, const Tape<T>& tape, Range rows, Scratch<T>& scratch) const {
    const Index n = this->outputs();
    const Matrix<const T> x = tape.input.at_rows(rows);
    Matrix<T> y = tape.output.at_rows(rows);
    Vector<T> scale(scratch.reserve(2 * n), n), shift(scale.data() + n, n);
    scale = T(1) / (w.vector(variance_) + epsilon_).sqrt();
    if (!tape.kept.empty()) {
      tape.kept_matrix(0, n).at_rows(rows) = (x.rowwise() - w.vector(mean_)).rowwise() * scale;
    }
    scale *= w.vector(gamma_);
    shift = w.vector(beta_) - w.vector(mean_) * scale;
    y = (x.rowwise() * scale).rowwise() + shift;
  }

  T momentum_, epsilon_;
  Parameter gamma_, beta_, mean_, variance_;
};

}  // namespace

template <class T> std::unique_ptr<Layer<T>> layer::BatchNorm::build(Index inputs) const {
  return std::make_unique<BatchNormLayer<T>>(*this, inputs);
}
template std::unique_ptr<Layer<float>> layer::BatchNorm::build<float>(Index) const;
template std::unique_ptr<Layer<double>> layer::BatchNorm::build<double>(Index) const;

}  // namespace lamina
