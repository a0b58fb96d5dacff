#include "model/layers/recurrent.hpp"

#include <stdexcept>

#include "model/activation_part.hpp"

namespace lamina {
namespace {

/// Rows up to which weights are multiplied where they are: packing them costs as much as some products do.
constexpr Index rows_worth_packing = 64;

/// A small matrix that multiplies the rows of every step: packed once where there are many.
template <class T, class W> class StepWeights {
 public:
  StepWeights(const W& w, Index rows, kernels::PackedB<T>& packed, Scratch<T>& scratch)
      : w_(w), packed_(rows > rows_worth_packing ? &packed : nullptr), scratch_(scratch) {
    if (packed_) kernels::pack(w, *packed_);
  }
  /// c = a w, or c += a w.
  void multiply(const Matrix<const T>& a, const Matrix<T>& c, kernels::Store store) const {
    if (packed_) kernels::product(a, *packed_, c, scratch_, store);
    else kernels::product(a, w_, c, scratch_, store);
  }

 private:
  W w_;
  kernels::PackedB<T>* packed_;
  Scratch<T>& scratch_;
};

/// Where each matrix of a chunk lies: in the tape's output and delta where they have a row a step, else in `kept`.
template <class T> struct States {
  Tape<T> hidden, top;  ///< h_t and what its activation keeps; jordan: y_t likewise
  Matrix<T> fed;        ///< what feeds back: (rows, outputs)
  Matrix<T> fed_delta;  ///< dE / d it
  Matrix<T> cut_state;  ///< states at the cuts of truncated back-propagation
};

template <class T> class RecurrentLayer final : public Layer<T> {
  using Store = kernels::Store;

 public:
  RecurrentLayer(const layer::Recurrent& spec, Index inputs)
      : Layer<T>(inputs, spec.jordan() ? spec.outputs.value_or(spec.units) : spec.units),
        spec_(spec),
        units_(spec.units),
        hidden_(spec.activation, spec.units),
        top_(spec.output_activation, this->outputs()),
        weight_(this->add_parameter("weight", inputs, units_, Role::weight)),
        recurrent_(this->add_parameter("recurrent_weight", fed(), units_, Role::weight)) {
    if (spec.use_bias) bias_ = this->add_parameter("bias", 0, units_, Role::bias);
    if (hidden_.learns()) slope_ = this->add_parameter("slope", 0, units_, Role::slope);
    if (!spec.jordan()) return;
    output_weight_ = this->add_parameter("output_weight", units_, fed(), Role::weight);
    if (spec.use_bias) output_bias_ = this->add_parameter("output_bias", 0, fed(), Role::bias);
    if (top_.learns()) output_slope_ = this->add_parameter("output_slope", 0, fed(), Role::slope);
  }

  std::unique_ptr<Layer<T>> clone() const override { return std::make_unique<RecurrentLayer>(*this); }

  void initialize(const Random& random, Vector<T> parameters, Vector<T>) const override {
    const auto draw = [&](const Initializer& rule, const Activation& f, const Random& from, const Parameter& p) {
      lamina::initialize<T>(rule, f, from, matrix_in(parameters, p));
    };
    draw(spec_.initializer, spec_.activation, random, weight_);
    draw(spec_.recurrent_initializer, spec_.activation, random.part(1), recurrent_);
    if (hidden_.learns()) hidden_.initialize(parameters.at(slope_.range()));
    if (!spec_.jordan()) return;
    draw(spec_.initializer, spec_.output_activation, random.part(2), output_weight_);
    if (top_.learns()) top_.initialize(parameters.at(output_slope_.range()));
  }

  bool random() const override { return hidden_.random() || top_.random(); }
  Index state_size() const override { return fed(); }
  bool last_step_only() const override { return !spec_.return_sequences; }
  Index kept_per_row() const override {
    Index n = hidden_.kept_per_row() + (in_tape() && !spec_.jordan() ? 0 : 2 * units_);
    if (spec_.jordan()) n += top_.kept_per_row() + (in_tape() ? 0 : 2 * fed());
    return n + (spec_.truncate ? fed() : 0);
  }
  double work_per_row() const override {
    const Index products = this->inputs() * units_ + fed() * units_ * (spec_.jordan() ? 2 : 1);
    return 2.0 * static_cast<double>(products);
  }

  /// h_t = f(x_t W + r_{t-1} U + b); elman: r = h; jordan: r_t = y_t = g(h_t V + c).
  void forward(const Pass<T>& pass, const Weights<T>& w, const Tape<T>& tape, Range rows,
               Scratch<T>& scratch) const override {
    const Sequences& s = *tape.sequences;
    const States<T> at = states(tape);
    const Vector<const T> b = w.vector(bias_), c = w.vector(output_bias_);
    const Matrix<T> z = hidden_.pre_activation(at.hidden);
    kernels::product(tape.input.at_rows(rows), w.matrix(weight_), z.at_rows(rows), scratch);
    const StepWeights U(w.matrix(recurrent_), rows.size(), scratch.packed[0], scratch);
    const StepWeights V(w.matrix(output_weight_), rows.size(), scratch.packed[1], scratch);
    const Range blocks = s.blocks_of(rows);
    for (Index block = blocks.begin; block < blocks.end; ++block) {
      Range before;
      for (Index t = 0; t < s.steps(block); ++t) {
        const Range now = s.rows_at(block, t);
        const Matrix<const T> r =
            t == 0 ? first_state(tape, block, now.size()) : state_before(pass, at, t, before.begin, now);
        before = now;
        if (!r.empty()) U.multiply(r, z.at_rows(now), Store::add);
        hidden_.forward(pass, at.hidden, b, w.vector(slope_), {now, {0, units_}});
        if (!spec_.jordan()) continue;
        V.multiply(at.hidden.output.at_rows(now), top_.pre_activation(at.top).at_rows(now), Store::set);
        top_.forward(pass, at.top, c, w.vector(output_slope_), {now, {0, fed()}});
      }
    }
    Matrix<T> last = tape.output, state = tape.state;
    s.for_each_last(blocks, [&](Index sample, Index row) {
      if (!in_tape()) last.row(sample) = at.fed.row(row);
      if (!state.empty()) state.row(sample) = at.fed.row(row);
    });
  }

  /// delta_t = (dE / dh_t + delta_{t+1} Uᵀ) f'(a_t), from the last step to the first; jordan: delta_{t+1} Uᵀ adds to
  /// dE / dy_t, before g'.
  void backward(const Pass<T>&, const Weights<T>& w, const Tape<T>& tape, const Matrix<T>& input_delta, Range rows,
                Scratch<T>& scratch, kernels::Epilogue finished) const override {
    const Sequences& s = *tape.sequences;
    const States<T> at = states(tape);
    const Matrix<T> delta = at.hidden.delta;
    Matrix<T> fed_delta = at.fed_delta;
    const StepWeights Ut(w.matrix(recurrent_).transpose(), rows.size(), scratch.packed[0], scratch);
    const StepWeights Vt(w.matrix(output_weight_).transpose(), rows.size(), scratch.packed[1], scratch);
    const Range blocks = s.blocks_of(rows);
    for (Index block = blocks.begin; block < blocks.end; ++block) {
      for (Index t = s.steps(block) - 1; t >= 0; --t) {
        const Range now = s.rows_at(block, t), next = s.rows_at(block, t + 1);
        const Range go_on{now.begin, now.begin + next.size()}, end{go_on.end, now.end};  // sequences that end at t
        if (!in_tape()) {
          if (cut(t + 1)) fed_delta.at_rows(go_on) = T(0);
          const Index first = block * Sequences::block_samples;
          fed_delta.at_rows(end) = tape.delta.at_rows({first + next.size(), first + now.size()});
        }
        if (!cut(t + 1) && next.size() > 0)
          Ut.multiply(delta.at_rows(next), fed_delta.at_rows(go_on), in_tape() ? Store::add : Store::set);
        if (spec_.jordan()) {
          top_.scale_delta(at.top, {now, {0, fed()}});
          Vt.multiply(fed_delta.at_rows(now), delta.at_rows(now), Store::set);
        }
        hidden_.scale_delta(at.hidden, {now, {0, units_}});
      }
    }
    if (input_delta.empty()) return;
    kernels::product(delta.at_rows(rows), w.matrix(weight_).transpose(), input_delta.at_rows(rows), scratch,
                     finished.below(rows.begin));
  }

  void gradients(const Tape<T>& tape, const GradientSink<T>& sink) const override {
    const States<T> at = states(tape);
    sink.product(weight_, tape.input, at.hidden.delta);
    sink.products(recurrent_, at.fed.rows(), [&](const auto& f) { for_each_feedback(*tape.sequences, at, f); });
    if (spec_.use_bias) sink.column_sums(bias_, at.hidden.delta);
    if (hidden_.learns()) hidden_.slope_gradient(slope_, at.hidden, sink);
    if (!spec_.jordan()) return;
    sink.product(output_weight_, at.hidden.output, at.top.delta);
    if (spec_.use_bias) sink.column_sums(output_bias_, at.top.delta);
    if (top_.learns()) top_.slope_gradient(output_slope_, at.top, sink);
  }

 private:
  /// Values that feed back: the layer's outputs, for both kinds.
  Index fed() const { return this->outputs(); }
  /// Whether output and delta of the tape have a row a step.
  bool in_tape() const { return spec_.return_sequences; }
  /// Whether nothing flows back from step t.
  bool cut(Index t) const { return spec_.truncate && t % *spec_.truncate == 0; }

  States<T> states(const Tape<T>& tape) const {
    States<T> at{tape, tape, {}, {}, {}};
    Index used = 0;
    const auto take = [&](Index width) {
      used += width;
      return tape.kept_matrix(used - width, width);
    };
    const auto place = [&](Tape<T>& t, const ActivationPart<T>& part, Index width, bool here) {
      if (!here) {
        t.output.view(take(width));
        t.delta.view(take(width));
      }
      const Matrix<T> kept = take(part.kept_per_row());
      t.kept.view({kept.row_data(0), kept.size()});
    };
    place(at.hidden, hidden_, units_, in_tape() && !spec_.jordan());
    if (spec_.jordan()) place(at.top, top_, fed(), in_tape());
    at.cut_state.view(take(spec_.truncate ? fed() : 0));
    const Tape<T>& source = spec_.jordan() ? at.top : at.hidden;
    at.fed.view(source.output);
    at.fed_delta.view(source.delta);
    return at;
  }

  /// What feeds into the first step of a block: a row for each of its sequences; empty: zeros.
  static Matrix<const T> first_state(const Tape<T>& tape, Index block, Index sequences) {
    if (tape.state.empty()) return {};
    const Index first = block * Sequences::block_samples;
    return tape.state.at_rows({first, first + sequences});
  }
  /// What feeds into the rows `now` of step t > 0: as many rows from row `before` on.
  Matrix<const T> state_before(const Pass<T>& pass, const States<T>& at, Index t, Index before, Range now) const {
    const Matrix<const T> state = at.fed.at_rows({before, before + now.size()});
    if (!cut(t)) return state;
    Matrix<T> held = at.cut_state.at_rows(now);
    if (!pass.replay) held = state;
    return held;
  }

  /// f(r_{t-1}, delta_t) for all t > 0, of which dU = sum over t of r_{t-1}ᵀ delta_t: at once for each run of steps
  /// with equally many sequences, whose rows and those of the steps before are two runs of memory.
  template <class F> void for_each_feedback(const Sequences& s, const States<T>& at, const F& f) const {
    for (Index block = 0; block < s.blocks(); ++block) {
      for (Index t = 1, end = 1; t < s.steps(block); t = end) {
        const Index active = s.rows_at(block, t).size();
        // A step's samples are the first of those of the step before: one by one where that had more.
        end = t + 1;
        while (s.rows_at(block, t - 1).size() == active && s.rows_at(block, end).size() == active) ++end;
        const Index before = s.rows_at(block, t - 1).begin, now = s.rows_at(block, t).begin, count = (end - t) * active;
        f(Matrix<const T>(at.fed.at_rows({before, before + count})),
          Matrix<const T>(at.hidden.delta.at_rows({now, now + count})));
      }
    }
  }

  layer::Recurrent spec_;
  Index units_;
  ActivationPart<T> hidden_, top_;
  Parameter weight_, recurrent_, bias_, slope_, output_weight_, output_bias_, output_slope_;
};

}  // namespace

void layer::Recurrent::check() const {
  if (kind != "elman" && kind != "jordan") {
    throw std::invalid_argument("kind of Recurrent must be 'elman' or 'jordan'; got '" + kind + "'");
  }
  if (!jordan() && (outputs || !std::holds_alternative<lamina::activation::Identity>(output_activation))) {
    throw std::invalid_argument(
        "outputs and output_activation of Recurrent go with kind='jordan'; got kind='elman', whose outputs are its "
        "units");
  }
  for (const Initializer* rule : {&initializer, &recurrent_initializer}) check_needs_no_data(*rule, name);
}

template <class T> std::unique_ptr<Layer<T>> layer::Recurrent::build(Index inputs) const {
  return std::make_unique<RecurrentLayer<T>>(*this, inputs);
}
template std::unique_ptr<Layer<float>> layer::Recurrent::build<float>(Index) const;
template std::unique_ptr<Layer<double>> layer::Recurrent::build<double>(Index) const;

}  // namespace lamina
