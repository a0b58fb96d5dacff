#include "math/losses.hpp"

#include <algorithm>
#include <limits>

namespace lamina {
namespace {

using simd::Vec;

/// exp(y - max y) written to e; returns the sum in the order of the outputs.
template <class T>
T exp_shifted(const T* y, T* e, Index n, T& top) {
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

template <class T>
T log_of(T x) {
  return simd::log(Vec<T, 1>(x))[0];
}

/// Weighted cross-entropy of a row; `gradient` gets scale * weight * (softmax - target). It may be y.
template <class T>
T softmax_row(const loss::CrossEntropy& loss, const T* y, const T* target, std::int32_t label, Index n, T weight, T scale,
              T* gradient, T* scratch) {
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

/// Weighted element-wise loss of a row.
template <class L, class T>
T elementwise_row(const L& loss, const T* y, const T* target, Index n, T weight, T scale, T* gradient, T* scratch) {
  constexpr int N = simd::lanes<T>;
  using V = Vec<T, N>;
  const V factor(weight * scale);
  for (Index j = 0; j < n; j += N) {
    const Index count = std::min<Index>(N, n - j);
    const V yv = V::load_partial(y + j, count), tv = V::load_partial(target + j, count);
    loss.value(yv, tv).store_partial(scratch + j, count);
    if (gradient) (factor * loss.derivative(yv, tv)).store_partial(gradient + j, count);
  }
  T value = 0;
  for (Index j = 0; j < n; ++j) value += scratch[j];
  return weight * value;
}

}  // namespace

template <class T>
void evaluate_loss(const Loss& loss, const T* outputs, T* delta, Index rows, Index n, const Targets<T>& targets,
                   const std::int64_t* index, const T* weights, T scale, T* row_loss) {
  constexpr Index on_stack = 256;
  T small[on_stack];
  std::vector<T> large(n > on_stack ? static_cast<std::size_t>(n) : 0);
  T* scratch = n > on_stack ? large.data() : small;
  std::visit(
      [&](const auto& entry) {
        using L = std::decay_t<decltype(entry)>;
        for (Index i = 0; i < rows; ++i) {
          const Index sample = index ? static_cast<Index>(index[i]) : i;
          const T weight = weights ? weights[sample] : T(1);
          const T* y = outputs + i * n;
          const T* target = targets.values ? targets.values + sample * n : nullptr;
          T* gradient = delta ? delta + i * n : nullptr;
          if constexpr (L::row_wise) {
            const std::int32_t label = target ? 0 : targets.labels[sample];
            row_loss[i] = softmax_row(entry, y, target, label, n, weight, scale, gradient, scratch);
          } else {
            row_loss[i] = elementwise_row(entry, y, target, n, weight, scale, gradient, scratch);
          }
        }
      },
      loss);
}

template <class T>
void apply_link(Link link, T* outputs, Index rows, Index n) {
  constexpr int N = simd::lanes<T>;
  using V = Vec<T, N>;
  if (link == Link::identity) return;
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

#define LAMINA_INSTANTIATE(T)                                                                                          \
  template void evaluate_loss<T>(const Loss&, const T*, T*, Index, Index, const Targets<T>&, const std::int64_t*,      \
                                 const T*, T, T*);                                                                     \
  template void apply_link<T>(Link, T*, Index, Index);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)
#undef LAMINA_INSTANTIATE

}  // namespace lamina
