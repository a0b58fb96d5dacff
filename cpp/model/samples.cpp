#include "model/samples.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include "core/poll.hpp"

namespace lamina {

template <class T> double Samples<T>::weight_sum() const {
  if (weights.empty() && !each_step) return static_cast<double>(count);
  double sum = 0;
  for (Index i = 0; i < count; ++i) {
    if (!each_step) {
      sum += static_cast<double>(weights[sample(i)]);
    } else if (weights.empty()) {
      sum += static_cast<double>(length(sample(i)));
    } else {
      const Index row = sample(i) * steps;
      for (Index t = 0; t < length(sample(i)); ++t) sum += static_cast<double>(weights[row + t]);
    }
  }
  return sum;
}

template <class T> void load_rows(const Network<T>& network, const Samples<T>& samples, Range part, Matrix<T> to) {
  const Normalization<T>& normalization = network.normalization();
  for (Index i = part.begin; i < part.end; ++i) {
    const Index sample = samples.sample(i);
    if (normalization.empty()) to.row(i) = samples.x.row(sample);
    else normalization.apply(samples.x.at_rows({sample, sample + 1}), to.at_rows({i, i + 1}));
  }
}

namespace {

/// f(row of x, weight) for every row that counts.
template <class T, class F> void for_each_row(const Samples<T>& samples, Poll& poll, const F& f) {
  for (Index i = 0; i < samples.count; ++i) {
    if (i % 1024 == 1023) poll();
    const Index sample = samples.sample(i);
    for (Index t = 0; t < samples.length(sample); ++t) {
      const Index row = sample * samples.steps + t;
      const T weight = samples.weights.empty() ? T(1) : samples.weights[samples.each_step ? row : sample];
      if (weight != 0) f(row, static_cast<double>(weight));
    }
  }
}

template <class T> Normalization<T> standard(const Samples<T>& samples, Poll& poll) {
  ColumnMoments<T> moments(samples.x.cols());
  const auto add = [&](Index row, double weight) { moments.add(samples.x.row_data(row), weight); };
  for_each_row(samples, poll, add);
  moments.centre();
  for_each_row(samples, poll, add);
  return moments.normalization();
}

template <class T> Normalization<T> robust(const Samples<T>& samples, Poll& poll) {
  const auto columns = static_cast<std::size_t>(samples.x.cols());
  Normalization<T> out{std::vector<T>(columns), std::vector<T>(columns), std::vector<T>(columns), true};
  std::vector<std::pair<T, double>> values;
  for (std::size_t j = 0; j < columns; ++j) {
    values.clear();
    for_each_row(samples, poll,
                 [&](Index row, double weight) { values.emplace_back(samples.x(row, static_cast<Index>(j)), weight); });
    robust_column(values, j, out);
  }
  return out;
}

}  // namespace

template <class T>
Normalization<T> normalization_of(const Samples<T>& samples, Normalizing how, const std::function<void()>& hook,
                                  const std::vector<Index>& kept) {
  Poll poll(hook);
  if (how == Normalizing::none) return {};
  Normalization<T> found = how == Normalizing::robust ? robust(samples, poll) : standard(samples, poll);
  for (const Index column : kept) found.leave(column);
  return found;
}

template <class T> TargetScale<T> target_scale_of(const Samples<T>& samples) {
  const Index outputs = samples.y.values.cols();
  ColumnMoments<T> moments(outputs);
  const T infinity = std::numeric_limits<T>::infinity();
  const auto n = static_cast<std::size_t>(outputs);
  TargetScale<T> out{{}, {}, std::vector<T>(n, infinity), std::vector<T>(n, -infinity)};
  const auto for_each_target = [&](const auto& f) {
    for (Index i = 0; i < samples.count; ++i) {
      const Index sample = samples.sample(i);
      for (Index t = 0; t < (samples.each_step ? samples.length(sample) : 1); ++t) {
        const Index row = samples.each_step ? sample * samples.steps + t : sample;
        const T weight = samples.weights.empty() ? T(1) : samples.weights[row];
        if (weight != 0) f(samples.y.values.row_data(row), static_cast<double>(weight));
      }
    }
  };
  for_each_target([&](const T* row, double weight) {
    moments.add(row, weight);
    for (std::size_t j = 0; j < n; ++j) {
      out.low[j] = std::min(out.low[j], row[j]);
      out.high[j] = std::max(out.high[j], row[j]);
    }
  });
  moments.centre();
  for_each_target([&](const T* row, double weight) { moments.add(row, weight); });
  const Normalization<T> by_moments = moments.normalization();
  out.mean = by_moments.mean;
  // Of a scale near the least number there is the inverse is infinite.
  for (const T scale : by_moments.scale) out.deviation.push_back(std::isfinite(1 / scale) ? 1 / scale : T(1));
  return out;
}

#define LAMINA_INSTANTIATE(T)                                                                                 \
  template struct Samples<T>;                                                                                 \
  template void load_rows<T>(const Network<T>&, const Samples<T>&, Range, Matrix<T>);                         \
  template Normalization<T> normalization_of<T>(const Samples<T>&, Normalizing, const std::function<void()>&, \
                                                const std::vector<Index>&);                                   \
  template TargetScale<T> target_scale_of<T>(const Samples<T>&);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)
#undef LAMINA_INSTANTIATE

}  // namespace lamina
