#include "model/layers/shared_dense.hpp"

#include <algorithm>
#include <stdexcept>

#include "math/normal.hpp"
#include "model/activation_part.hpp"
#include "model/members.hpp"

namespace lamina {
namespace {

/// Rows of members in cache between a product and what is done with it.
constexpr Index rows_in_cache = 256;

/// A matrix that multiplies the members' rows of some samples, group after group: packed once where there are several.
template <class T, class M> class GroupProduct {
 public:
  GroupProduct(const M& m, Range samples, Index members, Scratch<T>& scratch)
      : m_(m), samples_(samples), height_(std::max<Index>(1, rows_in_cache / members)), scratch_(scratch) {
    if (packed()) kernels::pack(m, scratch.packed[0]);
  }
  template <class F> void for_each_group(const F& f) const {
    for (Index i = samples_.begin; i < samples_.end; i += height_) f(Range{i, std::min(i + height_, samples_.end)});
  }
  void multiply(const Matrix<const T>& a, const Matrix<T>& c, kernels::Epilogue finish) const {
    if (packed()) kernels::product(a, scratch_.packed[0], c, scratch_, kernels::Store::set, finish);
    else kernels::product(a, m_, c, scratch_, finish);
  }

 private:
  bool packed() const { return samples_.size() > height_; }

  M m_;
  Range samples_;
  Index height_;
  Scratch<T>& scratch_;
};

/// What both kinds of layer have: how the columns of input and output are those of the members.
template <class T> class MembersLayer : public Layer<T> {
 public:
  MembersLayer(const layer::SharedDense& spec, const LayerInput& input)
      : Layer<T>(input.width, spec.members * spec.units),
        spec_(spec),
        begins_(input.members == 1),
        fan_in_(input.width / input.members) {}

  Index members() const override { return spec_.members; }
  double work_per_row() const override { return 2.0 * static_cast<double>(fan_in_ * this->outputs()); }

 protected:
  Index units() const { return spec_.units; }
  Range inputs_of(Index member) const {
    const Index first = begins_ ? 0 : member * fan_in_;
    return {first, first + fan_in_};
  }
  Range outputs_of(Index member) const { return {member * units(), (member + 1) * units()}; }
  /// f(columns, member) for every member's part of `columns`, `width` a member.
  template <class F> void for_each_member(Range columns, Index width, const F& f) const {
    for (Index i = columns.begin / width; i * width < columns.end; ++i)
      f(Range{std::max(columns.begin, i * width), std::min(columns.end, (i + 1) * width)}, i);
  }

  layer::SharedDense spec_;
  bool begins_;   // the input is one for all members
  Index fan_in_;  // of a member
};

/// Members that share W. Their rows go through one product: a row of all members' outputs, as memory, is a row for
/// each.
template <class T> class SharedLayer final : public MembersLayer<T> {
  using Base = MembersLayer<T>;
  using Base::begins_;
  using Base::fan_in_;
  using Base::spec_;
  using Base::units;

 public:
  SharedLayer(const layer::SharedDense& spec, const LayerInput& input)
      : Base(spec, input),
        part_(spec.activation, spec.units),
        weight_(this->add_parameter("weight", fan_in_, spec.units, Role::weight)) {
    const Index k = spec.members;
    if (scales_input()) input_scale_ = this->add_parameter("input_scale", 0, fan_in_, Role::gain, true, k);
    if (spec.full()) output_scale_ = this->add_parameter("output_scale", 0, units(), Role::gain, true, k);
    if (spec.use_bias) bias_ = this->add_parameter("bias", 0, units(), Role::bias, true, spec.full() ? k : 1);
    if (part_.learns()) slope_ = this->add_parameter("slope", 0, units(), Role::slope);
  }

  std::unique_ptr<Layer<T>> clone() const override { return std::make_unique<SharedLayer>(*this); }

  void initialize(const Random& random, Vector<T> parameters, Vector<T>) const override {
    lamina::initialize<T>(spec_.initializer, spec_.activation, random, matrix_in(parameters, weight_));
    parameters.at(input_scale_.range()) = T(1);
    parameters.at(output_scale_.range()) = T(1);
    if (begins_) {
      const Random own = random.part(1);
      for (Index i = 0; i < input_scale_.size(); ++i) {
        const auto number = static_cast<std::uint64_t>(i);
        const double sign = own.uniform(number) < 0.5 ? -1 : 1;
        parameters[input_scale_.offset + i] =
            static_cast<T>(spec_.start == "signs" ? sign : standard_normal(own, number));
      }
    }
    if (part_.learns()) part_.initialize(parameters.at(slope_.range()));
  }

  bool random() const override { return part_.random(); }
  bool always_backward() const override { return scales_input(); }
  Index kept_per_row() const override {
    return spec_.members *
           (part_.kept_per_row() + (scales_input() ? 2 * fan_in_ : 0) + (spec_.full() ? 2 * units() : 0));
  }

  /// y = f((x * r) W * s + b).
  void forward(const Pass<T>& pass, const Weights<T>& w, const Tape<T>& tape, Range rows,
               Scratch<T>& scratch) const override {
    const Rows at = rows_of(tape);
    const Pass<T> own = by_member_pass(pass);
    const Vector<const T> b = w.vector(bias_), s = w.vector(output_scale_), slopes = w.vector(slope_);
    const auto finish = [&](const Block& block) { part_.forward(own, at.tape, b, slopes, block); };
    const GroupProduct W(w.matrix(weight_), rows, spec_.members, scratch);
    W.for_each_group([&](Range group) {
      const Range mine = by_member(group);
      const Matrix<const T> x =
          scales_input() ? scaled_input(w, tape, at, group, scratch) : at.tape.input.at_rows(mine);
      if (!spec_.full()) return W.multiply(x, at.product.at_rows(mine), kernels::Epilogue(finish).below(mine.begin));
      W.multiply(x, at.product.at_rows(mine), {});
      const Matrix<const T> p = of_all(at.product).at_rows(group);
      Matrix<T> z = of_all(part_.pre_activation(at.tape)).at_rows(group);
      if (spec_.use_bias) z = (p.rowwise() * s).rowwise() + b;
      else z = p.rowwise() * s;
      part_.forward(own, at.tape, {}, slopes, {mine, {0, units()}});
    });
  }

  /// delta <- delta f'(z); what goes on, and into W, is delta * s.
  void scale_delta(const Pass<T>&, const Weights<T>& w, const Tape<T>& tape, const Block& block) const override {
    const Rows at = rows_of(tape);
    if (block.columns.size() == this->outputs()) {
      part_.scale_delta(at.tape, {by_member(block.rows), {0, units()}});
    } else {
      for (Index i = block.rows.begin; i < block.rows.end; ++i) {
        this->for_each_member(block.columns, units(), [&](Range columns, Index member) {
          const Index row = i * spec_.members + member, first = member * units();
          part_.scale_delta(at.tape, {{row, row + 1}, {columns.begin - first, columns.end - first}});
        });
      }
    }
    if (!spec_.full()) return;
    Matrix<T> on = of_all(at.product_delta).at(block);
    on = tape.delta.at(block).rowwise() * w.vector(output_scale_).at(block.columns);
  }

  /// dE / d(x * r) = (delta * s) Wᵀ, of which dE / dx is r times that, summed over the members where they begin.
  void backward(const Pass<T>&, const Weights<T>& w, const Tape<T>& tape, const Matrix<T>& input_delta, Range rows,
                Scratch<T>& scratch, kernels::Epilogue finished) const override {
    const Rows at = rows_of(tape);
    const Vector<const T> r = w.vector(input_scale_);
    const GroupProduct Wt(w.matrix(weight_).transpose(), rows, spec_.members, scratch);
    Wt.for_each_group([&](Range group) {
      const Range mine = by_member(group);
      Matrix<T> dx = input_delta.at_rows(input_delta.empty() ? Range{0, 0} : group);
      if (!scales_input()) {
        Wt.multiply(at.product_delta.at_rows(mine), lamina::by_member(dx, spec_.members), {});
      } else {
        Wt.multiply(at.product_delta.at_rows(mine), at.input_delta.at_rows(mine), {});
        if (dx.empty()) return;
        const Matrix<const T> scaled = of_all(at.input_delta).at_rows(group);
        if (begins_) {
          for (Index i = 0; i < spec_.members; ++i) {
            const Range own{i * fan_in_, (i + 1) * fan_in_};
            if (i == 0) dx = scaled.at_columns(own).rowwise() * r.at(own);
            else dx += scaled.at_columns(own).rowwise() * r.at(own);
          }
        } else {
          dx = scaled.rowwise() * r;
        }
      }
      if (finished) finished({group, {0, this->inputs()}});
    });
  }

  /// dE / dW = (x * r)ᵀ (delta * s); dr, ds and db are sums over the rows of dE / d(x * r) * x, delta * (x * r) W and
  /// delta.
  void gradients(const Tape<T>& tape, const GradientSink<T>& sink) const override {
    const Rows at = rows_of(tape);
    sink.product(weight_, at.tape.input, at.product_delta);
    if (scales_input()) {
      const Matrix<const T> delta = of_all(at.input_delta);
      sink.vector(input_scale_, [&](Range part, const Vector<T>& to, kernels::Store store, const Vector<T>& lost) {
        this->for_each_member(part, fan_in_, [&](Range columns, Index member) {
          const Index first = begins_ ? member * fan_in_ : 0;
          const Range own{columns.begin - first, columns.end - first};
          const Range here{columns.begin - part.begin, columns.end - part.begin};
          kernels::column_products(delta.at_columns(columns), tape.input.at_columns(own), to.at(here), store,
                                   lost.empty() ? lost : lost.at(here));
        });
      });
    }
    if (spec_.full()) {
      const Matrix<const T> p = of_all(at.product);
      sink.vector(output_scale_, [&](Range part, const Vector<T>& to, kernels::Store store, const Vector<T>& lost) {
        kernels::column_products(tape.delta.at_columns(part), p.at_columns(part), to, store, lost);
      });
    }
    if (spec_.use_bias) sink.column_sums(bias_, spec_.full() ? tape.delta : at.tape.delta);
    if (part_.learns()) part_.slope_gradient(slope_, at.tape, sink);
  }

 private:
  /// The tape with a row for every member of every row, and what is kept beside what the activation keeps. In a
  /// prediction nothing is: the product goes where the outputs do.
  struct Rows {
    Tape<T> tape;                      ///< its input is what W multiplies
    Matrix<T> input_delta;             ///< dE / d that, where it is scaled
    Matrix<T> product, product_delta;  ///< what W gives, and dE / d that
  };

  bool scales_input() const { return spec_.full() || begins_; }
  Range by_member(Range rows) const { return {rows.begin * spec_.members, rows.end * spec_.members}; }
  Matrix<T> of_all(const Matrix<T>& m) const {
    return {m.row_data(0), m.rows() / spec_.members, m.cols() * spec_.members};
  }
  Pass<T> by_member_pass(const Pass<T>& pass) const {
    Pass<T> own = pass;
    own.first_row *= spec_.members;
    return own;
  }

  Rows rows_of(const Tape<T>& tape) const {
    Rows at{tape, {}, {}, {}};
    const Index k = spec_.members;
    at.tape.output.view(lamina::by_member(tape.output, k));
    if (!tape.delta.empty()) at.tape.delta.view(lamina::by_member(tape.delta, k));
    at.tape.input.view({tape.input.data(), tape.rows() * k, fan_in_});  // of no use where it is to be scaled first
    at.product.view(part_.pre_activation(at.tape));
    at.product_delta.view(at.tape.delta);
    if (tape.kept.empty()) return at;
    const Tape<T> whole = at.tape;
    Index used = part_.kept_per_row();
    const auto take = [&](Index width) {
      used += width;
      return whole.kept_matrix(used - width, width);
    };
    if (scales_input()) {
      at.tape.input.view(take(fan_in_));
      at.input_delta.view(take(fan_in_));
    }
    if (spec_.full()) {
      at.product.view(take(units()));
      at.product_delta.view(take(units()));
    }
    return at;
  }

  /// x * r of a group of rows: kept, or in memory of the thread's own.
  Matrix<const T> scaled_input(const Weights<T>& w, const Tape<T>& tape, const Rows& at, Range group,
                               Scratch<T>& scratch) const {
    const Index k = spec_.members, size = group.size() * k * fan_in_;
    T* const to =
        tape.kept.empty() ? scratch.piece.piece.reserve(size) : const_cast<T*>(at.tape.input.row_data(group.begin * k));
    Matrix<T> scaled(to, group.size(), k * fan_in_);
    const Matrix<const T> x = tape.input.at_rows(group);
    const Vector<const T> r = w.vector(input_scale_);
    if (!begins_) {
      scaled = x.rowwise() * r;
    } else {
      const Matrix<const T> by_member(r.data(), k, fan_in_);
      for (Index i = 0; i < x.rows(); ++i) {
        Matrix<T> row(scaled.row_data(i), k, fan_in_);
        row = by_member.rowwise() * x.row(i);
      }
    }
    return lamina::by_member<const T>(scaled, k);
  }

  ActivationPart<T> part_;
  Parameter weight_, input_scale_, output_scale_, bias_, slope_;
};

/// Members with weights of their own.
template <class T> class SeparateLayer final : public MembersLayer<T> {
  using Base = MembersLayer<T>;
  using Base::begins_;
  using Base::spec_;

 public:
  SeparateLayer(const layer::SharedDense& spec, const LayerInput& input)
      : Base(spec, input),
        part_(spec.activation, this->outputs()),
        weight_(this->add_parameter("weight", this->fan_in_, spec.units, Role::weight, true, spec.members)) {
    if (spec.use_bias) bias_ = this->add_parameter("bias", 0, spec.units, Role::bias, true, spec.members);
    if (part_.learns()) slope_ = this->add_parameter("slope", 0, spec.units, Role::slope, true, spec.members);
  }

  std::unique_ptr<Layer<T>> clone() const override { return std::make_unique<SeparateLayer>(*this); }

  void initialize(const Random& random, Vector<T> parameters, Vector<T>) const override {
    for (Index i = 0; i < spec_.members; ++i) {
      lamina::initialize<T>(spec_.initializer, spec_.activation, random.member(static_cast<std::uint32_t>(i)),
                            matrix_in(parameters, weight_.member(i)));
    }
    if (part_.learns()) part_.initialize(parameters.at(slope_.range()));
  }

  bool random() const override { return part_.random(); }
  Index kept_per_row() const override { return part_.kept_per_row(); }

  /// y_i = f(x_i W_i + b_i).
  void forward(const Pass<T>& pass, const Weights<T>& w, const Tape<T>& tape, Range rows,
               Scratch<T>& scratch) const override {
    const Matrix<const T> x = tape.input.at_rows(rows);
    const Matrix<T> z = part_.pre_activation(tape).at_rows(rows);
    const Vector<const T> b = w.vector(bias_), slopes = w.vector(slope_);
    for (Index i = 0; i < spec_.members; ++i) {
      const Range own = this->outputs_of(i);
      const auto finish = [&](const Block& block) {
        part_.forward(pass, tape, b, slopes,
                      {block.rows, {block.columns.begin + own.begin, block.columns.end + own.begin}});
      };
      kernels::product(x.at_columns(this->inputs_of(i)), w.matrix(weight_.member(i)), z.at_columns(own), scratch,
                       kernels::Epilogue(finish).below(rows.begin));
    }
  }

  void scale_delta(const Pass<T>&, const Weights<T>&, const Tape<T>& tape, const Block& block) const override {
    part_.scale_delta(tape, block);
  }

  /// dE / dx_i = delta_i W_iᵀ, summed over the members where they begin.
  void backward(const Pass<T>&, const Weights<T>& w, const Tape<T>& tape, const Matrix<T>& input_delta, Range rows,
                Scratch<T>& scratch, kernels::Epilogue finished) const override {
    const Matrix<const T> delta = tape.delta.at_rows(rows);
    const Matrix<T> dx = input_delta.at_rows(rows);
    for (Index i = 0; i < spec_.members; ++i) {
      kernels::product(delta.at_columns(this->outputs_of(i)), w.matrix(weight_.member(i)).transpose(),
                       dx.at_columns(this->inputs_of(i)), scratch,
                       begins_ && i > 0 ? kernels::Store::add : kernels::Store::set);
    }
    if (finished) finished({rows, {0, this->inputs()}});
  }

  void gradients(const Tape<T>& tape, const GradientSink<T>& sink) const override {
    for (Index i = 0; i < spec_.members; ++i) {
      sink.product(weight_.member(i), tape.input.at_columns(this->inputs_of(i)),
                   tape.delta.at_columns(this->outputs_of(i)));
    }
    if (spec_.use_bias) sink.column_sums(bias_, tape.delta);
    if (part_.learns()) part_.slope_gradient(slope_, tape, sink);
  }

 private:
  ActivationPart<T> part_;
  Parameter weight_, bias_, slope_;
};

}  // namespace

void layer::SharedDense::check() const {
  if (kind != "mini" && !full() && !separate())
    throw std::invalid_argument("kind of SharedDense must be 'mini', 'full' or 'separate'; got '" + kind + "'");
  if (start != "signs" && start != "normal")
    throw std::invalid_argument("start of SharedDense must be 'signs' or 'normal'; got '" + start + "'");
  check_needs_no_data(initializer, name);
}

template <class T> std::unique_ptr<Layer<T>> layer::SharedDense::build(const LayerInput& input) const {
  if (separate()) return std::make_unique<SeparateLayer<T>>(*this, input);
  return std::make_unique<SharedLayer<T>>(*this, input);
}
template std::unique_ptr<Layer<float>> layer::SharedDense::build<float>(const LayerInput&) const;
template std::unique_ptr<Layer<double>> layer::SharedDense::build<double>(const LayerInput&) const;

}  // namespace lamina
