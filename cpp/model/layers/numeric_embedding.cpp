#include "model/layers/numeric_embedding.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <new>
#include <stdexcept>
#include <utility>

#include "kernels/elementary.hpp"
#include "kernels/row_vectors.hpp"
#include "math/normal.hpp"
#include "model/activation_part.hpp"
#include "model/layers/columns.hpp"

// Everything is element by element over the columns, which lie side by side: parameters are (..., columns), features of
// a row (features, columns). A sum over features, units or rows is one chain in a lane.

namespace lamina {
namespace {

constexpr double two_pi = 6.283185307179586477;

using simd::for_row;
using simd::load;
using simd::store;
using simd::Vec;

/// Uniform in [-limit, limit).
template <class T> void draw_uniform(const Random& random, double limit, Vector<T> to) {
  for (Index i = 0; i < to.size(); ++i)
    to[i] = static_cast<T>(limit * (2 * random.uniform(static_cast<std::uint64_t>(i)) - 1));
}

/// to[r] += sum over the rows i of a(i, r) b(i, r), each product fused into its addition, or of a(i, r) alone, where
/// term(i, r) gives {a, b} or {a}; four rows at a time, so that the sums need not go to memory and back for each.
template <int Factors, class T, class Term> void add_rows(Range rows, Range of, Matrix<T> to, const Term& term) {
  constexpr int N = simd::lanes<T>;
  const auto run = [&](Index first, auto count) {
    constexpr int together = decltype(count)::value;
    for (Index r = of.begin; r < of.end; ++r) {
      std::array<const T*, Factors> from[together];
      for (int i = 0; i < together; ++i) from[i] = term(first + i, r);
      T* const sums = to.row_data(r - of.begin);
      for_row<N>(to.cols(), [&](Index j, auto lanes) {
        auto sum = load<T, N>(sums + j, lanes);
        for (int i = 0; i < together; ++i) {
          const auto a = load<T, N>(from[i][0] + j, lanes);
          if constexpr (Factors == 2) sum = fma(a, load<T, N>(from[i][1] + j, lanes), sum);
          else sum += a;
        }
        store(sum, sums + j, lanes);
      });
    }
  };
  Index i = rows.begin;
  for (; i + 4 <= rows.end; i += 4) run(i, std::integral_constant<int, 4>{});
  for (; i < rows.end; ++i) run(i, std::integral_constant<int, 1>{});
}

/// What a kind's functions see of a row of a chunk.
template <class T> struct FeatureRow {
  const T* x;   ///< forward: the columns, and again from the first on, for a vector's length
  T* features;  ///< (features, columns)
  T* kept;      ///< the kind's own memory between forward and backward; null in a prediction
};

/// p = cos(2 pi v x + c), or cos(2 pi v x) and behind them sin(2 pi v x). Kept: dE / d(2 pi v x + c), 2 pi x, and sines
/// that are no features.
template <class T> class Periodic {
  static constexpr int N = simd::lanes<T>;

 public:
  static constexpr bool always_backward = true, from_data = false;
  template <class Add>
  Periodic(const layer::NumericEmbedding& spec, Index columns, const Add& add)
      : columns_(columns), count_(spec.frequencies), bias_(spec.bias), sigma_(spec.sigma) {
    frequency_ = add("frequency", count_, Role::weight, true);
    if (bias_) phase_ = add("phase", count_, Role::bias, true);
  }
  static double count(const layer::NumericEmbedding& spec) {
    return static_cast<double>(spec.frequencies) * (spec.bias ? 1 : 2);
  }
  Index features() const { return bias_ ? count_ : 2 * count_; }
  Index kept() const { return size() + columns_ + (bias_ ? size() : 0); }
  Index prepared() const { return bias_ ? size() : 0; }
  double work() const { return 30.0 * static_cast<double>(size()); }
  double start_limit(const layer::NumericEmbedding&) const { return 1 / std::sqrt(static_cast<double>(features())); }

  void initialize(const Random& random, Vector<T> parameters, Vector<T>) const {
    Vector<T> frequencies = parameters.at(frequency_.range());
    for (Index i = 0; i < frequencies.size(); ++i)
      frequencies[i] = static_cast<T>(sigma_ * standard_normal(random, static_cast<std::uint64_t>(i)));
    if (bias_) draw_uniform(random.part(1), two_pi / 2, parameters.at(phase_.range()));
  }

  /// The phases in turns.
  void prepare(const Weights<T>& w, T* turns) const {
    if (!bias_) return;
    Vector<T> to(turns, size());
    to = Vector<const T>(w.matrix(phase_).data(), size()) * static_cast<T>(1 / two_pi);
  }

  void evaluate(const Weights<T>& w, const T* turns, const FeatureRow<T>& row) const {
    const T* const v = w.matrix(frequency_).data();
    T* const sines = bias_ && !row.kept ? nullptr : sines_of(row);
    Index column = 0;  // of element i
    for_row<N>(size(), [&](Index i, auto lanes) {
      const auto x = Vec<T, N>::load(row.x + column), frequency = load<T, N>(v + i, lanes);
      const auto angle = bias_ ? fma(frequency, x, load<T, N>(turns + i, lanes)) : frequency * x;
      const auto [sine, cosine] = simd::sin_cos_of_turns(angle);
      store(cosine, row.features + i, lanes);
      if (sines) store(sine, sines + i, lanes);
      column += N;
      while (column >= columns_) column -= columns_;
    });
    if (!row.kept) return;
    T* const angle = row.kept + size();
    for (Index j = 0; j < columns_; ++j) angle[j] = static_cast<T>(two_pi) * row.x[j];
  }

  /// What pull(column, lanes) tells of dE / dp, by feature, goes to the angles, and on to x in dx, where there is one.
  template <class Pull>
  void backward(const Weights<T>& w, const T*, const FeatureRow<T>& row, T* dx, const Pull& pull) const {
    const Matrix<const T> v = w.matrix(frequency_);
    const T* const sines = sines_of(row);
    for_row<N>(columns_, [&](Index j, auto lanes) {
      const auto dE_dp = pull(j, lanes);
      const Vec<T, N> whole_turn(static_cast<T>(two_pi));
      Vec<T, N> sum(T(0));
      for (Index k = 0; k < count_; ++k) {
        const Index at = k * columns_ + j;
        auto d = -load<T, N>(sines + at, lanes) * dE_dp(k);
        if (!bias_) d = fma(load<T, N>(row.features + at, lanes), dE_dp(count_ + k), d);
        store(d, row.kept + at, lanes);
        if (dx) sum = fma(load<T, N>(v.row_data(k) + j, lanes), d, sum);
      }
      if (dx) store(load<T, N>(dx + j, lanes) + whole_turn * sum, dx + j, lanes);
    });
  }

  /// dE / dv = the sum of 2 pi x d, dE / dc = the sum of d, d at the angles.
  void gradients(const Matrix<const T>& kept, const GradientSink<T>& sink) const {
    sink.sums(frequency_, kept.rows(), [&](Range of, Range rows, const Matrix<T>& to) {
      add_rows<2>(rows, of, to, [&](Index i, Index k) {
        return std::array<const T*, 2>{kept.row_data(i) + k * columns_, kept.row_data(i) + size()};
      });
    });
    if (!bias_) return;
    sink.sums(phase_, kept.rows(), [&](Range of, Range rows, const Matrix<T>& to) {
      add_rows<1>(rows, of, to,
                  [&](Index i, Index k) { return std::array<const T*, 1>{kept.row_data(i) + k * columns_}; });
    });
  }

 private:
  Index size() const { return count_ * columns_; }
  T* sines_of(const FeatureRow<T>& row) const { return bias_ ? row.kept + size() + columns_ : row.features + size(); }

  Index columns_, count_;
  bool bias_;
  double sigma_;
  Parameter frequency_, phase_;
};

/// p = x.
template <class T> class Linear {
  static constexpr int N = simd::lanes<T>;

 public:
  static constexpr bool always_backward = false, from_data = false;
  template <class Add> Linear(const layer::NumericEmbedding&, Index columns, const Add&) : columns_(columns) {}
  static double count(const layer::NumericEmbedding&) { return 1; }
  Index features() const { return 1; }
  Index kept() const { return 0; }
  Index prepared() const { return 0; }
  double work() const { return 0; }
  double start_limit(const layer::NumericEmbedding& spec) const {
    return 1 / std::sqrt(static_cast<double>(spec.units));
  }
  void initialize(const Random&, Vector<T>, Vector<T>) const {}
  void prepare(const Weights<T>&, T*) const {}
  void evaluate(const Weights<T>&, const T*, const FeatureRow<T>& row) const {
    std::copy_n(row.x, columns_, row.features);
  }
  template <class Pull>
  void backward(const Weights<T>&, const T*, const FeatureRow<T>&, T* dx, const Pull& pull) const {
    if (!dx) return;
    for_row<N>(columns_,
               [&](Index j, auto lanes) { store(load<T, N>(dx + j, lanes) + pull(j, lanes)(0), dx + j, lanes); });
  }
  void gradients(const Matrix<const T>&, const GradientSink<T>&) const {}

 private:
  Index columns_;
};

/// p_k = (x - e_k) / (e_(k+1) - e_k), clipped to [0, 1] but for the first bin from below and the last from above. A
/// column with fewer bins repeats its last edge: what is not wide gives 0.
template <class T> class PiecewiseLinear {
  static constexpr int N = simd::lanes<T>;

 public:
  static constexpr bool always_backward = false, from_data = true;
  template <class Add>
  PiecewiseLinear(const layer::NumericEmbedding& spec, Index columns, const Add& add)
      : columns_(columns), bins_(spec.frequencies), edges_(add("edges", bins_ + 1, Role::gain, false)) {}
  static double count(const layer::NumericEmbedding& spec) { return static_cast<double>(spec.frequencies); }
  Index features() const { return bins_; }
  Index kept() const { return 0; }
  Index prepared() const { return 2 * bins_ * columns_; }
  double work() const { return 4.0 * static_cast<double>(bins_ * columns_); }
  double start_limit(const layer::NumericEmbedding&) const { return 1 / std::sqrt(static_cast<double>(bins_)); }

  /// Until there is data, bins of one width where most of a normalised column lies.
  void initialize(const Random&, Vector<T>, Vector<T> state) const {
    Matrix<T> edges = matrix_in(state, edges_);
    for (Index k = 0; k <= bins_; ++k)
      edges.row(k) = static_cast<T>(4 * static_cast<double>(k) / static_cast<double>(bins_) - 2);
  }

  /// Edges at the quantiles k / bins, equal ones once.
  void initialize_from_data(const Matrix<const T>& sample, const std::vector<Index>& columns, Vector<T> state) const {
    Matrix<T> edges = matrix_in(state, edges_);
    std::vector<T> values(static_cast<std::size_t>(sample.rows()));
    for (Index j = 0; j < columns_; ++j) {
      for (Index i = 0; i < sample.rows(); ++i)
        values[static_cast<std::size_t>(i)] = sample(i, columns[static_cast<std::size_t>(j)]);
      std::sort(values.begin(), values.end());
      Index used = 0;
      for (Index k = 0; k <= bins_; ++k) {
        const double place =
            static_cast<double>(k) * static_cast<double>(values.size() - 1) / static_cast<double>(bins_);
        const auto below = static_cast<std::size_t>(place);
        const auto low = static_cast<double>(values[below]);
        const auto high = static_cast<double>(values[std::min(below + 1, values.size() - 1)]);
        const auto edge = static_cast<T>(low + (high - low) * (place - static_cast<double>(below)));
        if (used == 0 || edge > edges(used - 1, j)) edges(used++, j) = edge;
      }
      for (Index k = used; k <= bins_; ++k) edges(k, j) = edges(used - 1, j);
    }
  }

  /// 1 / width of the bins, 0 of none; and behind them what p may be at most.
  void prepare(const Weights<T>& w, T* to) const {
    const Matrix<const T> edges = matrix_in(w.state, edges_);
    Matrix<T> inverse(to, bins_, columns_), most(to + inverse.size(), bins_, columns_);
    for (Index k = 0; k < bins_; ++k) {
      for (Index j = 0; j < columns_; ++j) {
        const T width = edges(k + 1, j) - edges(k, j), one_over = T(1) / width;
        inverse(k, j) = width > T(0) && std::isfinite(one_over) ? one_over : T(0);
        most(k, j) = edges(k + 1, j) < edges(bins_, j) ? T(1) : std::numeric_limits<T>::infinity();
      }
    }
  }

  void evaluate(const Weights<T>& w, const T* prepared, const FeatureRow<T>& row) const {
    const Matrix<const T> edges = matrix_in(w.state, edges_);
    for (Index k = 0; k < bins_; ++k) {
      for_row<N>(columns_, [&](Index j, auto lanes) {
        const Index at = k * columns_ + j;
        const auto p = (load<T, N>(row.x + j, lanes) - load<T, N>(edges.row_data(k) + j, lanes)) *
                       load<T, N>(prepared + at, lanes);
        store(min(load<T, N>(prepared + bins_ * columns_ + at, lanes), max(least(k), p)), row.features + at, lanes);
      });
    }
  }

  template <class Pull>
  void backward(const Weights<T>&, const T* prepared, const FeatureRow<T>& row, T* dx, const Pull& pull) const {
    if (!dx) return;
    for_row<N>(columns_, [&](Index j, auto lanes) {
      const auto dE_dp = pull(j, lanes);
      auto sum = load<T, N>(dx + j, lanes);
      for (Index k = 0; k < bins_; ++k) {
        const Index at = k * columns_ + j;
        const auto p = load<T, N>(row.features + at, lanes);
        const auto inside = (p > least(k)) & (p < load<T, N>(prepared + bins_ * columns_ + at, lanes));
        sum = fma(select(inside, load<T, N>(prepared + at, lanes), Vec<T, N>(T(0))), dE_dp(k), sum);
      }
      store(sum, dx + j, lanes);
    });
  }
  void gradients(const Matrix<const T>&, const GradientSink<T>&) const {}

 private:
  static Vec<T, N> least(Index k) { return Vec<T, N>(k == 0 ? -std::numeric_limits<T>::infinity() : T(0)); }

  Index columns_, bins_;
  Parameter edges_;
};

template <class T, class Features> class NumericEmbeddingLayer final : public Layer<T> {
  static constexpr int N = simd::lanes<T>;

 public:
  NumericEmbeddingLayer(const layer::NumericEmbedding& spec, ColumnChoice columns, Index inputs)
      : Layer<T>(inputs, columns.begin() + columns.count() * (spec.units + (spec.keep_input ? 1 : 0))),
        spec_(spec),
        columns_(std::move(columns)),
        features_(spec, columns_.count(),
                  [&](const char* name, Index rows, Role role, bool trained) {
                    return this->add_parameter(name, rows, columns_.count(), role, trained);
                  }),
        part_(spec.activation, spec.units * columns_.count()),
        weight_(this->add_parameter("weight", features_.features() * spec.units, columns_.count(), Role::weight)),
        bias_(this->add_parameter("bias", spec.units, columns_.count(), Role::bias)) {
    if (part_.learns()) slope_ = this->add_parameter("slope", 0, spec.units * columns_.count(), Role::slope);
  }

  std::unique_ptr<Layer<T>> clone() const override { return std::make_unique<NumericEmbeddingLayer>(*this); }

  void initialize(const Random& random, Vector<T> parameters, Vector<T> state) const override {
    features_.initialize(random, parameters, state);
    const double limit = features_.start_limit(spec_);
    draw_uniform(random.part(2), limit, parameters.at(weight_.range()));
    draw_uniform(random.part(3), limit, parameters.at(bias_.range()));
    if (part_.learns()) part_.initialize(parameters.at(slope_.range()));
  }

  bool starts_from_data() const override { return Features::from_data; }
  void initialize_from_data(const Random&, const Matrix<const T>& sample, Vector<T>, Vector<T> state) const override {
    if constexpr (Features::from_data) features_.initialize_from_data(sample, columns_.chosen(), state);
  }

  bool random() const override { return part_.random(); }
  bool always_backward() const override { return Features::always_backward; }
  Index copied_column(Index j) const override {
    const std::vector<Index>& from = j < columns_.begin() ? columns_.others() : columns_.chosen();
    if (j >= units_at()) return -1;
    return from[static_cast<std::size_t>(j < columns_.begin() ? j : j - columns_.begin())];
  }
  Index kept_per_row() const override { return own_kept() + part_.kept_per_row(); }
  double work_per_row() const override {
    return 2 * static_cast<double>(weight_.size()) + features_.work() + static_cast<double>(this->outputs());
  }

  void forward(const Pass<T>& pass, const Weights<T>& w, const Tape<T>& tape, Range rows,
               Scratch<T>& scratch) const override {
    const Index C = columns_.count();
    const Tape<T> units = units_tape(tape);
    const Matrix<T> z = part_.pre_activation(units);
    T* const prepared = scratch.reserve(features_.prepared() + C + N + features_.features() * C);
    T* const x = prepared + features_.prepared();
    features_.prepare(w, prepared);
    for (Index i = rows.begin; i < rows.end; ++i) {
      T* const y = tape.output.row_data(i);
      gather(tape.input.row_data(i), columns_.others(), y);
      gather(tape.input.row_data(i), columns_.chosen(), x);
      if (spec_.keep_input) std::copy_n(x, C, y + columns_.begin());
      for (Index j = 0; j < N; ++j) x[C + j] = x[j % C];
      FeatureRow<T> row = row_of(tape, i);
      row.x = x;
      if (tape.kept.empty()) row.features = x + C + N;
      features_.evaluate(w, prepared, row);
      combine(w, row.features, z.row_data(i));
    }
    part_.forward(pass, units, {}, w.vector(slope_), {rows, {0, units.output.cols()}});
  }

  void scale_delta(const Pass<T>&, const Weights<T>&, const Tape<T>& tape, const Block& block) const override {
    const Range columns{std::max(block.columns.begin, units_at()) - units_at(), block.columns.end - units_at()};
    if (columns.size() > 0) part_.scale_delta(units_tape(tape), {block.rows, columns});
  }

  void backward(const Pass<T>&, const Weights<T>& w, const Tape<T>& tape, const Matrix<T>& input_delta, Range rows,
                Scratch<T>& scratch, kernels::Epilogue finished) const override {
    // The delta of a few units stays in registers.
    switch (spec_.units) {
      case 1:
        pull_back<1>(w, tape, input_delta, rows, scratch);
        break;
      case 2:
        pull_back<2>(w, tape, input_delta, rows, scratch);
        break;
      case 3:
        pull_back<3>(w, tape, input_delta, rows, scratch);
        break;
      case 4:
        pull_back<4>(w, tape, input_delta, rows, scratch);
        break;
      default:
        pull_back<0>(w, tape, input_delta, rows, scratch);
    }
    if (finished && !input_delta.empty()) finished({rows, {0, this->inputs()}});
  }

  /// dE / dW = the sum over the rows of delta p, dE / db = that of delta.
  void gradients(const Tape<T>& tape, const GradientSink<T>& sink) const override {
    const Index C = columns_.count(), U = spec_.units;
    const Matrix<T> features = tape.kept_matrix(0, features_.features() * C);
    const Matrix<const T> delta = units_tape(tape).delta;
    sink.sums(weight_, tape.rows(), [&](Range of, Range rows, const Matrix<T>& to) {
      add_rows<2>(rows, of, to, [&](Index i, Index r) {
        return std::array<const T*, 2>{features.row_data(i) + r / U * C, delta.row_data(i) + r % U * C};
      });
    });
    sink.sums(bias_, tape.rows(), [&](Range of, Range rows, const Matrix<T>& to) {
      add_rows<1>(rows, of, to, [&](Index i, Index u) { return std::array<const T*, 1>{delta.row_data(i) + u * C}; });
    });
    features_.gradients(tape.kept_matrix(features.cols(), features_.kept()), sink);
    if (part_.learns()) part_.slope_gradient(slope_, units_tape(tape), sink);
  }

 private:
  /// dE / dp_k = sum_u delta_u w_uk, and what the features make of it; `known` units, or any number where it is 0.
  template <int known>
  void pull_back(const Weights<T>& w, const Tape<T>& tape, const Matrix<T>& input_delta, Range rows,
                 Scratch<T>& scratch) const {
    const Index C = columns_.count(), U = known > 0 ? known : spec_.units;
    const T* const W = w.matrix(weight_).data();
    const bool wanted = !input_delta.empty();
    T* const prepared = scratch.reserve(features_.prepared() + C);
    T* const dx = prepared + features_.prepared();
    features_.prepare(w, prepared);
    for (Index i = rows.begin; i < rows.end; ++i) {
      const T* const delta = tape.delta.row_data(i);
      const T* const own = delta + units_at();
      if (wanted) {
        if (spec_.keep_input) std::copy_n(delta + columns_.begin(), C, dx);
        else std::fill_n(dx, C, T(0));
      }
      const auto pull = [=](Index j, auto lanes) {
        std::array<Vec<T, N>, known> of{};
        for (int u = 0; u < known; ++u) of[static_cast<std::size_t>(u)] = load<T, N>(own + u * C + j, lanes);
        return [=](Index k) {
          Vec<T, N> sum(T(0));
          const T* const weight = W + k * U * C + j;
          if constexpr (known > 0) {
            for (int u = 0; u < known; ++u)
              sum = fma(of[static_cast<std::size_t>(u)], load<T, N>(weight + u * C, lanes), sum);
          } else {
            for (Index u = 0; u < U; ++u)
              sum = fma(load<T, N>(own + u * C + j, lanes), load<T, N>(weight + u * C, lanes), sum);
          }
          return sum;
        };
      };
      features_.backward(w, prepared, row_of(tape, i), wanted ? dx : nullptr, pull);
      if (!wanted) continue;
      spread(delta, columns_.others(), input_delta.row_data(i));
      spread(dx, columns_.chosen(), input_delta.row_data(i));
    }
  }

  /// Where the outputs of the units begin.
  Index units_at() const { return columns_.begin() + (spec_.keep_input ? columns_.count() : 0); }
  /// Kept of a row, beside what the activation keeps: features, and the kind's own.
  Index own_kept() const { return features_.features() * columns_.count() + features_.kept(); }

  FeatureRow<T> row_of(const Tape<T>& tape, Index i) const {
    if (tape.kept.empty()) return {nullptr, nullptr, nullptr};
    const Index width = features_.features() * columns_.count();
    T* const kept = features_.kept() > 0 ? tape.kept_matrix(width, features_.kept()).row_data(i) : nullptr;
    return {nullptr, tape.kept_matrix(0, width).row_data(i), kept};
  }

  /// The part of the tape that the activation is about.
  Tape<T> units_tape(const Tape<T>& tape) const {
    const Range units{units_at(), this->outputs()};
    Tape<T> inner = tape;
    inner.output.view(tape.output.at_columns(units));
    if (!tape.delta.empty()) inner.delta.view(tape.delta.at_columns(units));
    if (!tape.kept.empty())
      inner.kept.view({tape.kept_matrix(own_kept(), 0).row_data(0), tape.rows() * part_.kept_per_row()});
    return inner;
  }

  /// z_u = b_u + sum_k w_uk p_k of one row.
  void combine(const Weights<T>& w, const T* features, T* z) const {
    const Index C = columns_.count(), P = features_.features(), U = spec_.units;
    const T *const W = w.matrix(weight_).data(), *const b = w.matrix(bias_).data();
    for_row<N>(C, [&](Index j, auto lanes) {
      const auto units = [&](Index u, auto count) {
        constexpr int together = decltype(count)::value;
        Vec<T, N> sum[together];
        for (int v = 0; v < together; ++v) sum[v] = load<T, N>(b + (u + v) * C + j, lanes);
        for (Index k = 0; k < P; ++k) {
          const auto p = load<T, N>(features + k * C + j, lanes);
          for (int v = 0; v < together; ++v) sum[v] = fma(p, load<T, N>(W + (k * U + u + v) * C + j, lanes), sum[v]);
        }
        for (int v = 0; v < together; ++v) store(sum[v], z + (u + v) * C + j, lanes);
      };
      Index u = 0;
      for (; u + 4 <= U; u += 4) units(u, std::integral_constant<int, 4>{});
      for (; u + 3 <= U; u += 3) units(u, std::integral_constant<int, 3>{});
      for (; u < U; ++u) units(u, std::integral_constant<int, 1>{});
    });
  }

  layer::NumericEmbedding spec_;
  ColumnChoice columns_;
  Features features_;
  ActivationPart<T> part_;
  Parameter weight_, bias_, slope_;
};

template <class T, class Features>
std::unique_ptr<Layer<T>> made(const layer::NumericEmbedding& spec, ColumnChoice columns, Index inputs) {
  check_elements(Features::count(spec) * static_cast<double>(spec.units) * static_cast<double>(columns.count()));
  return std::make_unique<NumericEmbeddingLayer<T, Features>>(spec, std::move(columns), inputs);
}

}  // namespace

void layer::NumericEmbedding::check() const {
  check_distinct(columns, name);
  if (kind == "periodic" || kind == "linear" || kind == "piecewise_linear") return;
  throw std::invalid_argument("kind of NumericEmbedding must be 'periodic', 'linear' or 'piecewise_linear'; got '" +
                              kind + "'");
}

template <class T> std::unique_ptr<Layer<T>> layer::NumericEmbedding::build(Index inputs) const {
  std::vector<Index> all = columns;
  for (Index j = 0; columns.empty() && j < inputs; ++j) all.push_back(j);
  ColumnChoice choice(std::move(all), inputs, name);
  if (kind == "linear") return made<T, Linear<T>>(*this, std::move(choice), inputs);
  if (kind == "piecewise_linear") return made<T, PiecewiseLinear<T>>(*this, std::move(choice), inputs);
  return made<T, Periodic<T>>(*this, std::move(choice), inputs);
}
template std::unique_ptr<Layer<float>> layer::NumericEmbedding::build<float>(Index) const;
template std::unique_ptr<Layer<double>> layer::NumericEmbedding::build<double>(Index) const;

}  // namespace lamina
