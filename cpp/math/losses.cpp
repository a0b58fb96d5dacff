#include "math/losses.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

#include "kernels/transpose.hpp"

namespace lamina {
namespace {

using simd::Vec;

/// exp(y - max y) written to e; returns the sum in the order of the outputs.
template <class T> T exp_shifted(const T* y, T* e, Index n, T& top) {
  constexpr int N = simd::lanes<T>;
  using V = Vec<T, N>;
  top = y[0];
  for (Index j = 1; j < n; ++j) top = y[j] > top ? y[j] : top;
  Index j = 0;
  for (; j + N <= n; j += N) simd::exp(V::load(y + j) - V(top)).store(e + j);
  if (j < n) simd::exp(V::load_partial(y + j, n - j) - V(top)).store_partial(e + j, n - j);
  T sum = 0;
  for (j = 0; j < n; ++j) sum += e[j];
  return sum;
}

template <class T> T log_of(T x) { return simd::log(Vec<T, 1>(x))[0]; }

/// Weighted cross-entropy of a row; `gradient` gets scale * weight * (softmax - target). It may be y.
template <class T>
T softmax_row(const loss::CrossEntropy& loss, const T* y, const T* target, std::int32_t label, Index n, T weight,
              T scale, T* gradient, T* scratch) {
  T top;
  const T sum = exp_shifted(y, scratch, n, top);
  const T log_sum = log_of(sum) + top;
  const T keep = static_cast<T>(1 - loss.label_smoothing);
  const T spread = static_cast<T>(loss.label_smoothing / static_cast<double>(n));
  T value = 0, mass = 1;
  if (target) {
    mass = 0;
    for (Index j = 0; j < n; ++j) {
      const T t = keep * target[j] + spread;
      mass += t;
      // 0 log 0 = 0: a class that is certainly absent costs nothing, even at -inf.
      if (t != T(0)) value += t * (log_sum - y[j]);
    }
  } else if (spread == T(0)) {
    value = log_sum - y[label];
  } else {
    for (Index j = 0; j < n; ++j) value += ((j == label ? keep : T(0)) + spread) * (log_sum - y[j]);
  }
  if (gradient) {
    const T factor = weight * scale;
    const T share = mass / sum;
    for (Index j = 0; j < n; ++j) {
      const T t = target ? keep * target[j] + spread : (j == label ? keep : T(0)) + spread;
      gradient[j] = factor * (scratch[j] * share - t);
    }
  }
  return weight * value;
}

/// Room for one block of rows; larger outputs take it from the heap, once a thread.
constexpr Index scratch_size = 1024;

/// Up to a vector's number of rows with a row a lane, (n, lanes) in `at`: for few outputs, where a row would not fill a
/// vector. The same operations in the same order as for a row alone, so the same bits.
template <class T> struct RowLanes {
  static constexpr int N = simd::lanes<T>;
  using V = Vec<T, N>;

  static bool fit(Index n) { return n * N <= scratch_size; }

  LAMINA_INLINE RowLanes(const T* y, Index rows_, Index n_, T* scratch)
      : at(scratch), end(scratch + n_ * N), rows(rows_), n(n_) {
    kernels::copy_transposed_rows<N>(at, N, y, n, rows, N, n);
  }
  LAMINA_INLINE V top() const {
    V top = V::load(at);
    for (const T* v = at; v < end; v += N) top = select(V::load(v) > top, V::load(v), top);
    return top;
  }
  /// exp(y - top) in place; returns the sum in the order of the outputs.
  LAMINA_INLINE V exp_shifted(V top) {
    V sum(T(0));
    for (T* v = at; v < end; v += N) {
      const V e = simd::exp(V::load(v) - top);
      e.store(v);
      sum += e;
    }
    return sum;
  }
  LAMINA_INLINE void write(T* to) const { kernels::copy_transposed(to, n, at, N, n, rows); }

  T* const at;
  T* const end;
  const Index rows, n;
};

/// Cross-entropy of labels for up to N rows at once.
template <class T>
void softmax_lanes(const T* y, const simd::Bits<T>* labels, const T* weight, Index rows, Index n, T scale, T* gradient,
                   T* row_loss, T* scratch) {
  constexpr int N = simd::lanes<T>;
  using V = Vec<T, N>;
  using Int = simd::IntVec<T, N>;
  RowLanes<T> outputs(y, rows, n, scratch);
  Int label;
  std::memcpy(&label.raw, labels, sizeof(label.raw));
  V picked(T(0));
  simd::Bits<T> output = 0;
  for (const T* v = outputs.at; v < outputs.end; v += N) picked = select(label == Int(output++), V::load(v), picked);
  const V top = outputs.top(), sum = outputs.exp_shifted(top);
  const V w = V::load(weight);
  const V loss = w * (simd::log(sum) + top - picked);
  loss.store_partial(row_loss, rows);
  if (!gradient) return;
  const V factor = w * V(scale), share = V(T(1)) / sum;
  output = 0;
  for (T* e = outputs.at; e < outputs.end; e += N) {
    const V target = select(label == Int(output++), V(T(1)), V(T(0)));
    (factor * (V::load(e) * share - target)).store(e);
  }
  outputs.write(gradient);
}

/// Element-wise loss of a block of rows at once, as one flat array, so that few outputs fill the vectors too.
template <class L, class T>
void elementwise_block(const L& loss, const T* y, const T* target, const T* factor, Index elements, T* values,
                       T* gradient) {
  constexpr int N = simd::lanes<T>;
  using V = Vec<T, N>;
  for (Index j = 0; j < elements; j += N) {
    const Index count = std::min<Index>(N, elements - j);
    const V yv = V::load_partial(y + j, count), tv = V::load_partial(target + j, count);
    const V value = loss.value(yv, tv);
    if (gradient) (V::load_partial(factor + j, count) * loss.derivative(yv, tv)).store_partial(gradient + j, count);
    value.store_partial(values + j, count);
  }
}

/// The samples of some rows: weights and targets by row number.
template <class T> struct RowSamples {
  const Targets<T>& targets;
  const std::int64_t* index;
  const T* weights;
  Index of(Index i) const { return index ? static_cast<Index>(index[i]) : i; }
  T weight(Index i) const { return weights ? weights[of(i)] : T(1); }
};

template <class T>
void cross_entropy_rows(const loss::CrossEntropy& loss, const T* outputs, T* delta, Index rows, Index n,
                        const RowSamples<T>& samples, T scale, T* row_loss, T* scratch) {
  constexpr Index N = simd::lanes<T>;
  if (samples.targets.labels && loss.label_smoothing == 0 && RowLanes<T>::fit(n)) {
    for (Index i = 0; i < rows; i += N) {
      const Index count = std::min(N, rows - i);
      simd::Bits<T> label[N] = {};
      T weight[N];
      std::fill_n(weight, N, T(1));
      for (Index r = 0; r < count; ++r) label[r] = samples.targets.labels[samples.of(i + r)];
      // Not `weight(i + r)`: g++ makes masked loads from null of it, which are slow to be refused.
      if (samples.weights) {
        for (Index r = 0; r < count; ++r) weight[r] = samples.weights[samples.of(i + r)];
      }
      softmax_lanes(outputs + i * n, label, weight, count, n, scale, delta ? delta + i * n : nullptr, row_loss + i,
                    scratch);
    }
    return;
  }
  for (Index i = 0; i < rows; ++i) {
    const Index sample = samples.of(i);
    const T* target = samples.targets.values ? samples.targets.values + sample * n : nullptr;
    const std::int32_t label = target ? 0 : samples.targets.labels[sample];
    row_loss[i] = softmax_row(loss, outputs + i * n, target, label, n, samples.weight(i), scale,
                              delta ? delta + i * n : nullptr, scratch);
  }
}

template <class L, class T>
void elementwise_rows(const L& loss, const T* outputs, T* delta, Index rows, Index n, const RowSamples<T>& samples,
                      T scale, T* row_loss, T* scratch) {
  const Index block = std::max<Index>(1, scratch_size / 4 / n);
  T *target = scratch, *factor = scratch + block * n, *values = scratch + 2 * block * n;
  for (Index i = 0; i < rows; i += block) {
    const Index count = std::min(block, rows - i);
    for (Index r = 0; r < count; ++r) {
      std::copy_n(samples.targets.values + samples.of(i + r) * n, n, target + r * n);
      std::fill_n(factor + r * n, n, samples.weight(i + r) * scale);
    }
    elementwise_block(loss, outputs + i * n, target, factor, count * n, values, delta ? delta + i * n : nullptr);
    for (Index r = 0; r < count; ++r) {
      T sum = 0;
      for (Index j = 0; j < n; ++j) sum += values[r * n + j];
      row_loss[i + r] = samples.weight(i + r) * sum;
    }
  }
}

/// Targets go as rows of values, labels as rows of zeros with a one.
template <class T>
void custom_rows(const loss::Custom& loss, const T* outputs, T* delta, Index rows, Index n,
                 const RowSamples<T>& samples, T scale, T* row_loss) {
  const auto size = static_cast<std::size_t>(rows * n);
  std::vector<T> target(size, T(0)), gradient(delta ? size : 0);
  for (Index i = 0; i < rows; ++i) {
    const Index sample = samples.of(i);
    if (samples.targets.values) std::copy_n(samples.targets.values + sample * n, n, target.data() + i * n);
    else target[static_cast<std::size_t>(i * n + samples.targets.labels[sample])] = T(1);
  }
  if (rows == 0) return;
  loss.functions->value(outputs, target.data(), row_loss, rows, n);
  if (delta) loss.functions->derivative(outputs, target.data(), gradient.data(), rows, n);
  for (Index i = 0; i < rows; ++i) {
    const T weight = samples.weight(i), factor = weight * scale;
    row_loss[i] *= weight;
    if (!delta) continue;
    for (Index j = i * n; j < (i + 1) * n; ++j) delta[j] = factor * gradient[static_cast<std::size_t>(j)];
  }
}

}  // namespace

template <class T>
void evaluate_loss(const Loss& loss, const T* outputs, T* delta, Index rows, Index n, const Targets<T>& targets,
                   const std::int64_t* index, const T* weights, T scale, T* row_loss) {
  T small[scratch_size];
  static thread_local std::vector<T> large;
  const bool fits = 4 * n <= scratch_size;
  if (!fits && static_cast<Index>(large.size()) < 4 * n) large.resize(static_cast<std::size_t>(4 * n));
  T* scratch = fits ? small : large.data();
  const RowSamples<T> samples{targets, index, weights};
  std::visit(
      [&](const auto& entry) {
        using L = std::decay_t<decltype(entry)>;
        if constexpr (std::is_same_v<L, loss::Custom>) {
          custom_rows(entry, outputs, delta, rows, n, samples, scale, row_loss);
        } else if constexpr (L::row_wise) {
          cross_entropy_rows(entry, outputs, delta, rows, n, samples, scale, row_loss, scratch);
        } else {
          elementwise_rows(entry, outputs, delta, rows, n, samples, scale, row_loss, scratch);
        }
      },
      loss);
}

template <class T> void apply_link(Link link, T* outputs, Index rows, Index n) {
  constexpr int N = simd::lanes<T>;
  using V = Vec<T, N>;
  if (link == Link::identity) return;
  if (link == Link::softmax && RowLanes<T>::fit(n) && rows > 1) {
    T scratch[scratch_size];
    for (Index i = 0; i < rows; i += N) {
      RowLanes<T> lanes(outputs + i * n, std::min<Index>(N, rows - i), n, scratch);
      const V sum = lanes.exp_shifted(lanes.top());
      for (T* e = lanes.at; e < lanes.end; e += N) (V::load(e) / sum).store(e);
      lanes.write(outputs + i * n);
    }
    return;
  }
  if (link == Link::softmax) {
    for (Index i = 0; i < rows; ++i) {
      T* y = outputs + i * n;
      T top;
      const T sum = exp_shifted(y, y, n, top);
      for (Index j = 0; j < n; ++j) y[j] /= sum;
    }
    return;
  }
  const Index total = rows * n;
  for (Index j = 0; j < total; j += N) {
    const Index count = std::min<Index>(N, total - j);
    const V v = V::load_partial(outputs + j, count);
    (link == Link::logistic ? simd::logistic(v) : simd::exp(v)).store_partial(outputs + j, count);
  }
}

#define LAMINA_INSTANTIATE(T)                                                                                     \
  template void evaluate_loss<T>(const Loss&, const T*, T*, Index, Index, const Targets<T>&, const std::int64_t*, \
                                 const T*, T, T*);                                                                \
  template void apply_link<T>(Link, T*, Index, Index);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)
#undef LAMINA_INSTANTIATE

}  // namespace lamina
