#include "model/activation_part.hpp"

namespace lamina {

template <class T>
ActivationPart<T>::ActivationPart(Activation f, Index units) : f_(std::move(f)), units_(units), slope_(slope_of(f_)) {
  if (slope_ == Slope::none) return;
  fixed_.resize(static_cast<std::size_t>(units), T(0));
  if (slope_ == Slope::parity) {
    for (std::size_t j = 1; j < fixed_.size(); j += 2) fixed_[j] = T(1);
  } else if (const auto* random = std::get_if<activation::RandomRelu>(&f_)) {
    if (random->lower > random->upper) throw std::invalid_argument("lower of rrelu must not exceed its upper");
    lower_ = random->lower;
    upper_ = random->upper;
    for (T& s : fixed_) s = static_cast<T>(random->start());
  }
}

template <class T> std::vector<ParameterInfo> ActivationPart<T>::parameters(Index offset) const {
  if (!learns()) return {};
  return {{"slope", 0, units_, Role::slope, offset}};
}

template <class T> void ActivationPart<T>::initialize(T* slopes) const {
  if (!learns()) return;
  const auto start = static_cast<T>(std::get<activation::ParametricRelu>(f_).start());
  for (Index j = 0; j < units_; ++j) slopes[j] = start;
}

template <class T>
Slopes<T> ActivationPart<T>::slopes_at(const Tape<T>& tape, const T* learned, bool training, Index row,
                                       Index column) const {
  if (slope_ == Slope::none) return {};
  if (slope_ == Slope::learned) return {learned + column, 0};
  if (slope_ == Slope::random && training) return {extra_of(tape) + row * units_ + column, units_};
  return {fixed_.data() + column, 0};
}

template <class T>
void ActivationPart<T>::draw(const Pass& pass, const Tape<T>& tape, Index row, Index rows, Index column,
                             Index columns) const {
  const Random random(pass.seed, Purpose::slope, tape.layer);
  T* slopes = extra_of(tape);
  for (Index i = row; i < row + rows; ++i) {
    for (Index j = column; j < column + columns; ++j) {
      const auto element = static_cast<std::uint64_t>((pass.first_row + i) * units_ + j);
      const auto u = random.uniform((pass.step << 32) + element);
      slopes[i * units_ + j] = static_cast<T>(lower_ + (upper_ - lower_) * u);
    }
  }
}

template <class T>
void ActivationPart<T>::forward(const Pass& pass, const Tape<T>& tape, const T* bias, const T* slopes, Index row,
                                Index rows, Index column, Index columns) const {
  if (slope_ == Slope::random && pass.training) draw(pass, tape, row, rows, column, columns);
  const Index at = row * units_ + column;
  activate(f_, bias ? bias + column : nullptr, pre_activation(tape) + at, tape.output + at, {rows, columns, units_},
           slopes_at(tape, slopes, pass.training, row, column));
}

template <class T>
void ActivationPart<T>::scale_delta(const Pass& pass, const Tape<T>& tape, const T* slopes, Index row, Index rows,
                                    Index column, Index columns) const {
  const Index at = row * units_ + column;
  if (learns()) {
    T* gradient = extra_of(tape);
    for (Index i = row; i < row + rows; ++i) {
      for (Index j = column; j < column + columns; ++j) {
        const Index e = i * units_ + j;
        gradient[e] = tape.kept[e] < T(0) ? tape.delta[e] * tape.kept[e] : T(0);
      }
    }
  }
  multiply_derivative(f_, tape.kept + at, tape.output + at, tape.delta + at, {rows, columns, units_},
                      slopes_at(tape, slopes, pass.training, row, column), pass.surrogates);
}

template <class T>
void ActivationPart<T>::slope_gradient(const Tape<T>& tape, T* gradient, bool accumulate, Range part) const {
  sum_rows(extra_of(tape), tape.rows, units_, part, gradient, accumulate);
}

namespace {

/// `Vectors` vectors of columns at once: each is a chain of its own, so that the additions need not wait for each
/// other.
template <int Vectors, class T>
void sum_columns(const T* matrix, Index rows, Index columns, Index last_lanes, T* out, bool accumulate) {
  constexpr int N = simd::lanes<T>;
  using V = simd::Vec<T, N>;
  V sum[Vectors];
  const auto lanes = [&](int v) { return v + 1 < Vectors ? Index{N} : last_lanes; };
  for (int v = 0; v < Vectors; ++v) sum[v] = accumulate ? V::load_partial(out + v * N, lanes(v)) : V(T(0));
  for (Index i = 0; i < rows; ++i, matrix += columns) {
    for (int v = 0; v + 1 < Vectors; ++v) sum[v] += V::load(matrix + v * N);
    sum[Vectors - 1] +=
        last_lanes == N ? V::load(matrix + (Vectors - 1) * N) : V::load_partial(matrix + (Vectors - 1) * N, last_lanes);
  }
  for (int v = 0; v < Vectors; ++v) sum[v].store_partial(out + v * N, lanes(v));
}

}  // namespace

template <class T> void sum_rows(const T* matrix, Index rows, Index columns, Range part, T* out, bool accumulate) {
  constexpr Index N = simd::lanes<T>, wide = 8 * N;
  Index j = part.begin;
  for (; j + wide <= part.end; j += wide) sum_columns<8>(matrix + j, rows, columns, N, out + j, accumulate);
  for (; j < part.end; j += 2 * N) {
    const Index left = part.end - j;
    if (left > N) sum_columns<2>(matrix + j, rows, columns, std::min(N, left - N), out + j, accumulate);
    else sum_columns<1>(matrix + j, rows, columns, left, out + j, accumulate);
  }
}

template class ActivationPart<float>;
template class ActivationPart<double>;
template void sum_rows<float>(const float*, Index, Index, Range, float*, bool);
template void sum_rows<double>(const double*, Index, Index, Range, double*, bool);

}  // namespace lamina
