/// Samples as the passes take them: their weights, their rows in order, and what normalises these.
#include <algorithm>
#include <cmath>
#include <utility>

#include "model/pass.hpp"

namespace lamina {

template <class T> double Samples<T>::weight_sum() const {
  if (!weights && !each_step) return static_cast<double>(count);
  double sum = 0;
  for (Index i = 0; i < count; ++i) {
    if (!each_step) {
      sum += static_cast<double>(weights[sample(i)]);
    } else if (!weights) {
      sum += static_cast<double>(length(sample(i)));
    } else {
      const T* row = weights + sample(i) * steps;
      for (Index t = 0; t < length(sample(i)); ++t) sum += static_cast<double>(row[t]);
    }
  }
  return sum;
}

template <class T> void load_rows(const Network<T>& network, const Samples<T>& samples, Range part, T* to) {
  const Index n = network.inputs();
  const bool normalise = !network.input_mean().empty();
  const T* mean = network.input_mean().data();
  const T* scale = network.input_scale().data();
  for (Index i = part.begin; i < part.end; ++i) {
    const T* from = samples.x.row(samples.sample(i));
    T* row = to + i * n;
    if (normalise) {
      for (Index j = 0; j < n; ++j) row[j] = (from[j] - mean[j]) * scale[j];
    } else {
      std::copy(from, from + n, row);
    }
  }
}

template <class T> bool usable_in_place(const Network<T>& network, const Samples<T>& samples) {
  return !samples.index && network.input_mean().empty();
}

template <class T>
void loss_of(const Network<T>& network, const Samples<T>& samples, const T* outputs, T* delta, Range part, T scale,
             T* row_loss) {
  const Index n = network.outputs();
  const Samples<T> mine = samples.slice(part.begin, part.size());
  Targets<T> y = mine.y;
  const T* weights = mine.weights;
  if (!mine.index) {
    if (y.values) y.values += mine.first * n;
    if (y.labels) y.labels += mine.first;
    if (weights) weights += mine.first;
  }
  evaluate_loss(network.loss(), outputs + part.begin * n, delta ? delta + part.begin * n : nullptr, part.size(), n, y,
                mine.index, weights, scale, row_loss + part.begin);
}

template <class T> void fit_normalization(Network<T>& network, const Samples<T>& samples) {
  const auto n = static_cast<std::size_t>(network.inputs());
  std::vector<double> mean(n, 0.0), square(n, 0.0);
  double total = 0;
  const auto each_row = [&](auto&& take) {
    for (Index i = 0; i < samples.count; ++i) {
      const Index sample = samples.sample(i);
      for (Index t = 0; t < samples.length(sample); ++t) {
        const Index row = sample * samples.steps + t;
        const T weight = samples.weights ? samples.weights[samples.each_step ? row : sample] : T(1);
        take(samples.x.row(row), static_cast<double>(weight));
      }
    }
  };
  each_row([&](const T* row, double weight) {
    total += weight;
    for (std::size_t j = 0; j < n; ++j) mean[j] += weight * static_cast<double>(row[j]);
  });
  for (double& m : mean) m /= total;
  each_row([&](const T* row, double weight) {
    if (weight == 0) return;
    for (std::size_t j = 0; j < n; ++j) {
      const double e = static_cast<double>(row[j]) - mean[j];
      square[j] += weight * (e * e);
    }
  });
  std::vector<T> to_mean(n), to_scale(n);
  for (std::size_t j = 0; j < n; ++j) {
    const double deviation = std::sqrt(square[j] / total);
    // Rounding leaves a constant column a deviation of some units in the last place of its mean.
    const bool constant = deviation <= 1e-12 * std::abs(mean[j]) || !(deviation > 0);
    const T scale = static_cast<T>(1 / deviation);
    to_mean[j] = static_cast<T>(mean[j]);
    to_scale[j] = constant || !std::isfinite(scale) ? T(1) : scale;
  }
  network.set_normalization(std::move(to_mean), std::move(to_scale));
}

#define LAMINA_INSTANTIATE(T)                                                                 \
  template struct Samples<T>;                                                                 \
  template void load_rows<T>(const Network<T>&, const Samples<T>&, Range, T*);                \
  template bool usable_in_place<T>(const Network<T>&, const Samples<T>&);                     \
  template void loss_of<T>(const Network<T>&, const Samples<T>&, const T*, T*, Range, T, T*); \
  template void fit_normalization<T>(Network<T>&, const Samples<T>&);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)
#undef LAMINA_INSTANTIATE

}  // namespace lamina
