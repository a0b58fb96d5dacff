#include "model/activation_part.hpp"

namespace lamina {

template <class T>
ActivationPart<T>::ActivationPart(Activation f, Index units)
    : f_(std::move(f)), units_(units), slope_(slope_of(f_)), keeps_input_(keeps_input(f_)) {
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

/// The slopes of a block: one an element where they are drawn, else one a unit.
template <class T>
Matrix<const T> ActivationPart<T>::slopes_at(const Tape<T>& tape, const Vector<const T>& learned, bool training,
                                             const Block& block) const {
  if (slope_ == Slope::none) return {};
  if (slope_ == Slope::random && training) return extra_of(tape).at(block);
  const T* const by_unit = slope_ == Slope::learned ? learned.data() : start_.data();
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
  if (slope_ == Slope::random && pass.training) draw(pass, tape, block);
  activate<T>(f_, bias.empty() ? bias : bias.at(block.columns), pre_activation(tape).at(block), tape.output.at(block),
              slopes_at(tape, learned, pass.training, block));
}

template <class T>
void ActivationPart<T>::scale_delta(const Pass<T>& pass, const Tape<T>& tape, const Vector<const T>& learned,
                                    const Block& block) const {
  const Matrix<const T> z = pre_activation(tape).at(block);
  Matrix<T> delta = tape.delta.at(block);
  if (learns()) extra_of(tape).at(block) = (z < T(0)).select(delta * z, T(0));
  multiply_derivative<T>(f_, z, tape.output.at(block), delta, slopes_at(tape, learned, pass.training, block),
                         pass.surrogates);
}

template class ActivationPart<float>;
template class ActivationPart<double>;

}  // namespace lamina
