#include "model/layers/recurrent.hpp"

#include <algorithm>
#include <stdexcept>

#include "model/activation_part.hpp"

namespace lamina {
namespace {

/// Rows up to which weights are multiplied where they are: packing them costs as much as some products do.
constexpr Index rows_worth_packing = 64;

/// A small matrix that multiplies the rows of every step: packed once where there are many.
template <class T> class StepWeights {
 public:
  StepWeights(Index n, Index k, kernels::Operand<T> w, Index rows, kernels::PackedB<T>& packed, Scratch<T>& scratch)
      : n_(n), k_(k), w_(w), packed_(rows > rows_worth_packing ? &packed : nullptr), scratch_(scratch) {
    if (packed_) packed_->pack(n, k, w);
  }
  /// c = a w, or c += a w: `rows` rows of a (rows, k) and c (rows, n).
  void multiply(Index rows, const T* a, T* c, bool accumulate) const {
    if (packed_) kernels::product<T>(rows, {a, k_, 1}, *packed_, c, n_, accumulate, scratch_);
    else kernels::product<T>(rows, n_, k_, {a, k_, 1}, w_, c, n_, accumulate, scratch_);
  }

 private:
  Index n_, k_;
  kernels::Operand<T> w_;
  kernels::PackedB<T>* packed_;
  Scratch<T>& scratch_;
};

/// Where each matrix of a chunk lies: in the tape's output and delta where they have a row a step, else in `kept`.
template <class T> struct States {
  Tape<T> hidden, top;  ///< h_t and what its activation keeps; jordan: y_t likewise
  T *fed, *arriving;    ///< what feeds back, and dE / d it
  T* held;              ///< states at the cuts of truncated back-propagation
};

template <class T> class RecurrentLayer final : public Layer<T> {
 public:
  RecurrentLayer(const layer::Recurrent& spec, Index inputs)
      : Layer<T>(inputs, spec.jordan() ? spec.outputs.value_or(spec.units) : spec.units),
        spec_(spec),
        units_(spec.units),
        hidden_(spec.activation, spec.units),
        top_(spec.output_activation, this->outputs()) {}

  std::unique_ptr<Layer<T>> clone() const override { return std::make_unique<RecurrentLayer>(*this); }

  std::vector<ParameterInfo> parameters() const override {
    std::vector<ParameterInfo> list{{"weight", this->inputs(), units_, Role::weight, 0},
                                    {"recurrent_weight", fed(), units_, Role::weight, recurrent_at()}};
    if (spec_.use_bias) list.push_back({"bias", 0, units_, Role::bias, bias_at()});
    for (const auto& p : hidden_.parameters(slope_at())) list.push_back(p);
    if (!spec_.jordan()) return list;
    list.push_back({"output_weight", units_, fed(), Role::weight, output_at()});
    if (spec_.use_bias) list.push_back({"output_bias", 0, fed(), Role::bias, output_bias_at()});
    for (auto& p : top_.parameters(output_slope_at())) {
      p.name = "output_" + p.name;
      list.push_back(p);
    }
    return list;
  }

  void initialize(const Random& random, T* parameters, T*) const override {
    lamina::initialize(spec_.initializer, spec_.activation, random, parameters, this->inputs(), units_);
    lamina::initialize(spec_.recurrent_initializer, spec_.activation, random.part(1), parameters + recurrent_at(),
                       fed(), units_);
    if (spec_.use_bias) std::fill_n(parameters + bias_at(), units_, T(0));
    hidden_.initialize(parameters + slope_at());
    if (!spec_.jordan()) return;
    lamina::initialize(spec_.initializer, spec_.output_activation, random.part(2), parameters + output_at(), units_,
                       fed());
    if (spec_.use_bias) std::fill_n(parameters + output_bias_at(), fed(), T(0));
    top_.initialize(parameters + output_slope_at());
  }

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

  void forward(const Pass& pass, Weights<T> w, const Tape<T>& tape, Range rows, Scratch<T>& scratch) const override {
    const Sequences& s = *tape.sequences;
    const States<T> at = states(tape);
    T* const z = hidden_.pre_activation(at.hidden);
    kernels::product<T>(rows.size(), units_, this->inputs(),
                        {tape.input + rows.begin * this->inputs(), this->inputs(), 1}, {w.parameters, units_, 1},
                        z + rows.begin * units_, units_, false, scratch);
    const StepWeights<T> back(units_, fed(), {w.parameters + recurrent_at(), units_, 1}, rows.size(), scratch.packed[0],
                              scratch);
    const StepWeights<T> out(spec_.jordan() ? fed() : 0, units_, {w.parameters + output_at(), fed(), 1}, rows.size(),
                             scratch.packed[1], scratch);
    const Range blocks = s.blocks_of(rows);
    for (Index b = blocks.begin; b < blocks.end; ++b) {
      for (Index t = 0; t < s.steps(b); ++t) {
        const Index row = s.row(b, t), n = s.active(b, t);
        if (const T* state = state_before(pass, tape, at, b, t)) back.multiply(n, state, z + row * units_, true);
        hidden_.forward(pass, at.hidden, bias(w), w.parameters + slope_at(), row, n, 0, units_);
        if (!spec_.jordan()) continue;
        out.multiply(n, at.hidden.output + row * units_, top_.pre_activation(at.top) + row * fed(), false);
        top_.forward(pass, at.top, output_bias(w), w.parameters + output_slope_at(), row, n, 0, fed());
      }
    }
    s.for_each_last(blocks, [&](Index sample, Index row) {
      const T* last = at.fed + row * fed();
      if (!in_tape()) std::copy_n(last, fed(), tape.output + sample * fed());
      if (tape.state) std::copy_n(last, fed(), tape.state + sample * fed());
    });
  }

  /// delta_t = (dE / dh_t + U delta_{t+1}) f'(a_t), from the last step to the first; jordan: U delta_{t+1} adds to
  /// dE / dy_t, before g'.
  void backward(const Pass& pass, Weights<T> w, const Tape<T>& tape, T* input_delta, Range rows, Scratch<T>& scratch,
                kernels::Epilogue<T> finished) const override {
    const Sequences& s = *tape.sequences;
    const States<T> at = states(tape);
    T *const delta = at.hidden.delta, *const arriving = at.arriving;
    const StepWeights<T> back(fed(), units_, {w.parameters + recurrent_at(), 1, units_}, rows.size(), scratch.packed[0],
                              scratch);
    const StepWeights<T> out(units_, spec_.jordan() ? fed() : 0, {w.parameters + output_at(), 1, fed()}, rows.size(),
                             scratch.packed[1], scratch);
    const Range blocks = s.blocks_of(rows);
    for (Index b = blocks.begin; b < blocks.end; ++b) {
      for (Index t = s.steps(b) - 1; t >= 0; --t) {
        const Index row = s.row(b, t), n = s.active(b, t), later = s.active(b, t + 1);
        if (!in_tape()) {
          std::fill_n(arriving + row * fed(), cut(t + 1) ? later * fed() : 0, T(0));
          std::copy_n(tape.delta + (b * Sequences::block_samples + later) * fed(), (n - later) * fed(),
                      arriving + (row + later) * fed());
        }
        if (!cut(t + 1) && later > 0)
          back.multiply(later, delta + (row + n) * units_, arriving + row * fed(), in_tape());
        if (spec_.jordan()) {
          top_.scale_delta(pass, at.top, w.parameters + output_slope_at(), row, n, 0, fed());
          out.multiply(n, arriving + row * fed(), delta + row * units_, false);
        }
        hidden_.scale_delta(pass, at.hidden, w.parameters + slope_at(), row, n, 0, units_);
      }
    }
    if (!input_delta) return;
    const auto shifted = [&](Index row, Index n, Index column, Index m) { finished(rows.begin + row, n, column, m); };
    kernels::product<T>(rows.size(), this->inputs(), units_, {delta + rows.begin * units_, units_, 1},
                        {w.parameters, 1, units_}, input_delta + rows.begin * this->inputs(), this->inputs(), false,
                        scratch, finished ? kernels::Epilogue<T>(shifted) : kernels::Epilogue<T>());
  }

  void gradients(const Pass&, const Tape<T>& tape, T* gradients, bool accumulate, Index part, Index parts,
                 Scratch<T>& scratch) const override {
    const States<T> at = states(tape);
    const T* const delta = at.hidden.delta;
    const Range in = part_of(this->inputs(), part, parts, 4), units = part_of(units_, part, parts, 16);
    kernels::product<T>(in.size(), units_, tape.rows, {tape.input + in.begin, 1, this->inputs()}, {delta, units_, 1},
                        gradients + in.begin * units_, units_, accumulate, scratch);
    recurrent_gradient(tape, at, gradients + recurrent_at(), accumulate, part_of(fed(), part, parts, 4), scratch);
    if (spec_.use_bias) sum_rows(delta, tape.rows, units_, units, gradients + bias_at(), accumulate);
    if (hidden_.learns()) hidden_.slope_gradient(at.hidden, gradients + slope_at(), accumulate, units);
    if (!spec_.jordan()) return;
    const Range from = part_of(units_, part, parts, 4), out = part_of(fed(), part, parts, 16);
    kernels::product<T>(from.size(), fed(), tape.rows, {at.hidden.output + from.begin, 1, units_},
                        {at.top.delta, fed(), 1}, gradients + output_at() + from.begin * fed(), fed(), accumulate,
                        scratch);
    if (spec_.use_bias) sum_rows(at.top.delta, tape.rows, fed(), out, gradients + output_bias_at(), accumulate);
    if (top_.learns()) top_.slope_gradient(at.top, gradients + output_slope_at(), accumulate, out);
  }

 private:
  /// Values that feed back: the layer's outputs, for both kinds.
  Index fed() const { return this->outputs(); }
  /// Whether output and delta of the tape have a row a step.
  bool in_tape() const { return spec_.return_sequences; }
  /// Whether nothing flows back from step t.
  bool cut(Index t) const { return spec_.truncate && t % *spec_.truncate == 0; }

  Index recurrent_at() const { return this->inputs() * units_; }
  Index bias_at() const { return recurrent_at() + fed() * units_; }
  Index slope_at() const { return bias_at() + (spec_.use_bias ? units_ : 0); }
  Index output_at() const { return slope_at() + (hidden_.learns() ? units_ : 0); }
  Index output_bias_at() const { return output_at() + units_ * fed(); }
  Index output_slope_at() const { return output_bias_at() + (spec_.use_bias ? fed() : 0); }
  const T* bias(Weights<T> w) const { return spec_.use_bias ? w.parameters + bias_at() : nullptr; }
  const T* output_bias(Weights<T> w) const { return spec_.use_bias ? w.parameters + output_bias_at() : nullptr; }

  States<T> states(const Tape<T>& tape) const {
    States<T> at{tape, tape, nullptr, nullptr, nullptr};
    T* next = tape.kept;
    const auto take = [&](Index width) {
      T* p = next;
      next += tape.rows * width;
      return p;
    };
    const auto place = [&](Tape<T>& t, const ActivationPart<T>& part, Index width, bool in_tape) {
      if (!in_tape) {
        t.output = take(width);
        t.delta = take(width);
      }
      t.kept = take(part.kept_per_row());
    };
    place(at.hidden, hidden_, units_, in_tape() && !spec_.jordan());
    if (spec_.jordan()) place(at.top, top_, fed(), in_tape());
    at.held = take(spec_.truncate ? fed() : 0);
    const Tape<T>& source = spec_.jordan() ? at.top : at.hidden;
    at.fed = source.output;
    at.arriving = source.delta;
    return at;
  }

  /// What feeds into step t of block b: (active, fed); null: zeros.
  const T* state_before(const Pass& pass, const Tape<T>& tape, const States<T>& at, Index b, Index t) const {
    const Sequences& s = *tape.sequences;
    if (t == 0) return tape.state ? tape.state + b * Sequences::block_samples * fed() : nullptr;
    const T* state = at.fed + s.row(b, t - 1) * fed();
    if (!cut(t)) return state;
    T* held = at.held + s.row(b, t) * fed();
    if (!pass.replay) std::copy_n(state, s.active(b, t) * fed(), held);
    return held;
  }

  /// dU = sum over t of r_{t-1} delta_t, the rows `mine` of it: one product for each run of steps with equally many
  /// sequences, whose rows and those of the steps before are two runs of memory.
  void recurrent_gradient(const Tape<T>& tape, const States<T>& at, T* gradient, bool accumulate, Range mine,
                          Scratch<T>& scratch) const {
    const Sequences& s = *tape.sequences;
    T* const to = gradient + mine.begin * units_;
    for (Index b = 0; b < s.blocks(); ++b) {
      for (Index t = 1, end = 1; t < s.steps(b); t = end) {
        const Index n = s.active(b, t), row = s.row(b, t);
        // A step's samples are the first of those of the step before: one by one where that had more.
        end = t + 1;
        while (s.active(b, t - 1) == n && s.active(b, end) == n) ++end;
        kernels::product<T>(mine.size(), units_, (end - t) * n,
                            {at.fed + s.row(b, t - 1) * fed() + mine.begin, 1, fed()},
                            {at.hidden.delta + row * units_, units_, 1}, to, units_, accumulate, scratch);
        accumulate = true;
      }
    }
    if (!accumulate) std::fill_n(to, mine.size() * units_, T(0));
  }

  layer::Recurrent spec_;
  Index units_;
  ActivationPart<T> hidden_, top_;
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
}

template <class T> std::unique_ptr<Layer<T>> layer::Recurrent::build(Index inputs) const {
  return std::make_unique<RecurrentLayer<T>>(*this, inputs);
}
template std::unique_ptr<Layer<float>> layer::Recurrent::build<float>(Index) const;
template std::unique_ptr<Layer<double>> layer::Recurrent::build<double>(Index) const;

}  // namespace lamina
