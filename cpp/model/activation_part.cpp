#include "model/activation_part.hpp"

namespace lamina {

template <class T>
ActivationPart<T>::ActivationPart(Activation f, Index units, ActivationUse use)
    : f_(std::move(f)),
      units_(units),
      slope_(slope_of(f_)),
      parametric_(use.parametric),
      keeps_(parametric_ || !derivative_from_output(f_)),
      scale_(static_cast<T>(use.scale)) {
  if (use.scale != 1) unscale_.assign(static_cast<std::size_t>(units), static_cast<T>(1 / use.scale));
  if (parametric_) start_.assign(static_cast<std::size_t>(units), T(1));
  if (slope_ == Slope::none) return;
  start_.reserve(static_cast<std::size_t>(units));
  for (Index j = 0; j < units; ++j) start_.push_back(slope_at_start<T>(f_, j));
  std::visit(
      [&](const auto& a) {
        if constexpr (std::decay_t<decltype(a)>::slope == Slope::random) {
          lower_ = a.lower;
          upper_ = a.upper;
        }
      },
      f_);
}

template <class T> void ActivationPart<T>::check(const Activation& f, bool parametric, const char* owner) {
  if (!parametric || slope_of(f) == Slope::none) return;
  throw std::invalid_argument(std::string("parametric of ") + owner +
                              " goes with activations that have no slope of their own; got activation '" + name_of(f) +
                              "'");
}

/// The slopes of a block: one an element where they are drawn, else one a unit.
template <class T>
Matrix<const T> ActivationPart<T>::slopes_at(const Tape<T>& tape, const Vector<const T>& learned, bool training,
                                             const Block& block) const {
  if (start_.empty()) return {};
  if (random() && training) return extra_of(tape).at(block);
  const T* const by_unit = learns() ? learned.data() : start_.data();
  return {by_unit + block.columns.begin, block.rows.size(), block.columns.size(), 0};
}

template <class T> void ActivationPart<T>::draw(const Pass<T>& pass, const Tape<T>& tape, const Block& block) const {
  const Random random(pass.seed, Purpose::slope, tape.layer);
  Matrix<T> slopes = extra_of(tape);
  for (Index i = block.rows.begin; i < block.rows.end; ++i) {
    for (Index j = block.columns.begin; j < block.columns.end; ++j) {
      const auto element = static_cast<std::uint64_t>((pass.first_row + i) * units_ + j);
      const auto u = random.uniform((pass.step << 32) + element);
      slopes(i, j) = static_cast<T>(lower_ + (upper_ - lower_) * u);
    }
  }
}

template <class T>
void ActivationPart<T>::forward(const Pass<T>& pass, const Tape<T>& tape, const Vector<const T>& bias,
                                const Vector<const T>& learned, const Block& block) const {
  if (random() && pass.training) draw(pass, tape, block);
  ActivationBlock<T> units{pre_activation(tape).at(block), tape.output.at(block)};
  if (!bias.empty()) units.bias = bias.at(block.columns);
  units.slopes = slopes_at(tape, learned, pass.training, block);
  units.scale = scale_;
  units.parametric = parametric_;
  if (!keeps_ || !tape.comes_back) return activate(f_, units);
  units.dy_dz.view(units.z);
  if (learns()) units.dy_ds.view(extra_of(tape).at(block));
  activate_keeping(f_, units, pass.surrogates);
}

template <class T> void ActivationPart<T>::scale_delta(const Tape<T>& tape, const Block& block) const {
  Matrix<T> delta = tape.delta.at(block);
  if (!keeps_) return multiply_from_output<T>(f_, tape.output.at(block), delta, scale_);
  const Matrix<T> dy_dz = pre_activation(tape).at(block);
  if (!learns()) {
    delta *= dy_dz;
    return;
  }
  Matrix<T> dy_ds = extra_of(tape).at(block);
  for (Index i = 0; i < delta.rows(); ++i) {  // row by row, so that delta is read once
    dy_ds.row(i) *= delta.row(i);
    delta.row(i) *= dy_dz.row(i);
  }
}

template <class T>
void ActivationPart<T>::bias_gradient(const Parameter& bias, const Tape<T>& tape, const GradientSink<T>& sink) const {
  if (unscale_.empty()) return sink.column_sums(bias, tape.delta);
  // delta is by z, and the bias is added to scale z.
  const Matrix<const T> factors(unscale_.data(), tape.delta.rows(), units_, 0);
  sink.vector(bias, [&](Range columns, const Vector<T>& db, kernels::Store store, const Vector<T>& lost) {
    kernels::column_products(tape.delta.at_columns(columns), factors.at_columns(columns), db, store, lost);
  });
}

template class ActivationPart<float>;
template class ActivationPart<double>;

}  // namespace lamina
