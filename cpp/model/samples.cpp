#include "model/samples.hpp"

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
    const auto x = samples.x.row(samples.sample(i));
    if (normalization.empty()) to.row(i) = x;
    else to.row(i) = (x - normalization.means()) * normalization.scales();
  }
}

template <class T>
Normalization<T> normalization_of(const Samples<T>& samples, const std::function<void()>& hook,
                                  const std::vector<Index>& kept) {
  Poll poll(hook);
  ColumnMoments<T> moments(samples.x.cols());
  const auto add_all = [&] {
    for (Index i = 0; i < samples.count; ++i) {
      if (i % 1024 == 1023) poll();
      const Index sample = samples.sample(i);
      for (Index t = 0; t < samples.length(sample); ++t) {
        const Index row = sample * samples.steps + t;
        const T weight = samples.weights.empty() ? T(1) : samples.weights[samples.each_step ? row : sample];
        moments.add(samples.x.row_data(row), static_cast<double>(weight));
      }
    }
  };
  add_all();
  moments.centre();
  add_all();
  Normalization<T> found = moments.normalization();
  for (const Index column : kept) {
    found.mean[static_cast<std::size_t>(column)] = T(0);
    found.scale[static_cast<std::size_t>(column)] = T(1);
  }
  return found;
}

#define LAMINA_INSTANTIATE(T)                                                                    \
  template struct Samples<T>;                                                                    \
  template void load_rows<T>(const Network<T>&, const Samples<T>&, Range, Matrix<T>);            \
  template Normalization<T> normalization_of<T>(const Samples<T>&, const std::function<void()>&, \
                                                const std::vector<Index>&);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)
#undef LAMINA_INSTANTIATE

}  // namespace lamina
