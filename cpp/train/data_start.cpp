#include "train/data_start.hpp"

#include <algorithm>
#include <vector>

#include "model/pass.hpp"

namespace lamina {
namespace {

constexpr Index most_rows = 1024, least_sequences = 16;

/// `n` of the samples by number, in order: one from each of n stretches of equal weight.
template <class T> std::vector<std::int64_t> drawn(const Samples<T>& samples, Index n, const Random& random) {
  const double stretch = samples.weight_sum() / static_cast<double>(n);
  const auto place = [&](std::size_t k) { return stretch * (static_cast<double>(k) + random.uniform(k)); };
  const auto wanted = static_cast<std::size_t>(n);
  std::vector<std::int64_t> out;
  double end = 0, next = place(0);
  std::int64_t last = 0;
  for (Index i = 0; i < samples.count && out.size() < wanted; ++i) {
    const double weight = samples.slice(i, 1).weight_sum();
    if (weight <= 0) continue;
    end += weight;
    last = samples.sample(i);
    for (; next < end && out.size() < wanted; next = place(out.size())) out.push_back(last);
  }
  out.resize(wanted, last);  // what rounding has left out at the end
  return out;
}

}  // namespace

template <class T>
void DataStart<T>::run(const Samples<T>& train, std::uint64_t seed, const std::vector<char>& frozen) {
  if (!network_.data_start_due()) return;
  const Index most = network_.recurrent() ? std::max(least_sequences, most_rows / train.steps) : most_rows;
  const std::vector<std::int64_t> index = drawn(train, std::min(train.count, most), Random(seed, Purpose::sample));
  Samples<T> sample = train;
  sample.weights.view({});  // they are in the draw
  sample.index = index.data();
  sample.first = 0;
  sample.count = static_cast<Index>(index.size());
  TrainingPass<T> pass(network_, sample.count, 1, Keeps::outputs);
  parameters_ = network_.parameters();
  state_ = network_.state();
  done_ = true;
  pass.forward_each(sample, network_.data_depth(), [&](Index i, const Matrix<const T>& input) {
    if (!network_.layer(i).starts_from_data()) return;
    const auto drawn_now = network_.as_drawn(i);
    network_.initialize_from_data(i, Random(seed, Purpose::data_start, static_cast<std::uint32_t>(i)), input);
    const auto keep = [](const Arena<T>& from, Arena<T>& to, Range range) {
      to.vector().at(range) = from.vector().at(range);
    };
    if (!drawn_now.parameters || frozen[static_cast<std::size_t>(i)])
      keep(parameters_, network_.parameters(), network_.parameter_range(i));
    if (!drawn_now.state) keep(state_, network_.state(), network_.state_range(i));
  });
  network_.set_data_start_due(false);
}

template <class T> void DataStart<T>::take_back() {
  if (!done_) return;
  network_.parameters().copy_from(parameters_);
  network_.state().copy_from(state_);
  network_.set_data_start_due(true);
}

template class DataStart<float>;
template class DataStart<double>;

}  // namespace lamina
