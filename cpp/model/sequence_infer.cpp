#include "model/sequence_infer.hpp"

#include <algorithm>

#include "core/poll.hpp"

namespace lamina {
namespace {

constexpr Index block = Sequences::block_samples;

/// Whole blocks of samples that make about `rows` rows.
Index samples_for(Index rows, Index steps, Index count) {
  return std::min(count, std::max<Index>(1, rows / steps / block) * block);
}

}  // namespace

template <class T> SequencePass<T>::SequencePass(const Network<T>& network, Index samples, Index steps) {
  Index width = network.inputs(), kept = 0;
  for (Index i = 0; i < network.depth(); ++i) {
    width = std::max(width, network.layer(i).outputs());
    kept = std::max(kept, network.layer(i).kept_per_row());
  }
  const Index rows = samples * steps;
  memory_ = Arena<T>(rows * (2 * width + kept));
  buffers_[0] = memory_.data();
  buffers_[1] = buffers_[0] + rows * width;
  kept_ = buffers_[1] + rows * width;
}

template <class T> T* SequencePass<T>::run(const Network<T>& network, const Samples<T>& samples, T* state) {
  sequences_.arrange(samples.index, samples.first, samples.count, samples.lengths, samples.steps);
  Samples<T> rows = samples;
  rows.index = sequences_.flat();
  rows.count = sequences_.rows();
  load_rows(network, rows, {0, rows.count}, buffers_[0]);
  const Pass pass;
  int next = 0;
  for (Index i = 0; i < network.depth(); ++i) {
    const Layer<T>& l = network.layer(i);
    Tape<T> t;
    t.rows = i < network.sequence_depth() ? rows.count : samples.count;
    t.input = buffers_[next];
    next = 1 - next;
    t.output = buffers_[next];
    t.kept = kept_;
    t.sequences = &sequences_;
    t.state = state;
    if (state) state += samples.count * l.state_size();
    l.forward(pass, network.weights(i), t, {0, t.rows}, scratch_);
  }
  return buffers_[next];
}

template <class T>
void infer_sequences(const Network<T>& network, kernels::Team& team, const Samples<T>& samples, bool link, T* out,
                     const std::function<void()>& hook) {
  const Index n = network.outputs(), steps = samples.steps;
  const Index each = network.each_step() ? steps : 1;
  const Index threads = useful_threads(network, samples.count, false, team.size(), steps);
  const Index chunk = samples_for(512, steps, samples.count);
  if (network.each_step() && samples.lengths) std::fill_n(out, samples.count * steps * n, T(0));
  std::vector<SequencePass<T>> passes;
  for (Index i = 0; i < threads; ++i) passes.emplace_back(network, chunk, steps);
  team.run(threads, [&](kernels::Worker& w) {
    SequencePass<T>& pass = passes[static_cast<std::size_t>(w.id)];
    const Range mine = w.share(samples.count, block);
    Poll poll(w.id == 0 ? hook : nullptr);
    for (Index begin = mine.begin; begin < mine.end && !w.failed(); begin += chunk) {
      poll();
      const Samples<T> part = samples.slice(begin, std::min(chunk, mine.end - begin));
      T* const from = pass.run(network, part);
      const Sequences& s = pass.sequences();
      if (link) apply_link(link_of(network.loss()), from, network.each_step() ? s.rows() : s.samples(), n);
      T* const to = out + begin * each * n;
      if (network.each_step()) {
        s.for_each_row(
            [&](Index i, Index t, Index row) { std::copy_n(from + row * n, n, to + (s.place(i) * steps + t) * n); });
      } else {
        for (Index i = 0; i < s.samples(); ++i) std::copy_n(from + i * n, n, to + s.place(i) * n);
      }
    }
  });
}

template <class T>
double evaluate_sequences(const Network<T>& network, kernels::Team& team, const Samples<T>& samples) {
  const Index n = network.outputs(), each = network.each_step() ? samples.steps : 1;
  const Index chunk = samples_for(8192, samples.steps, samples.count);
  Arena<T> outputs(chunk * each * n);
  std::vector<T> row_loss(static_cast<std::size_t>(each));
  double total = 0;
  for (Index begin = 0; begin < samples.count; begin += chunk) {
    const Samples<T> part = samples.slice(begin, std::min(chunk, samples.count - begin));
    infer(network, team, part, false, outputs.data());
    for (Index i = 0; i < part.count; ++i) {
      const Index first = part.sample(i) * each, rows = network.each_step() ? part.length(part.sample(i)) : 1;
      const Targets<T> y{part.y.values ? part.y.values + first * n : nullptr,
                         part.y.labels ? part.y.labels + first : nullptr};
      evaluate_loss(network.loss(), outputs.data() + i * each * n, static_cast<T*>(nullptr), rows, n, y, nullptr,
                    part.weights ? part.weights + first : nullptr, T(1), row_loss.data());
      for (Index t = 0; t < rows; ++t) total += static_cast<double>(row_loss[static_cast<std::size_t>(t)]);
    }
  }
  return total / samples.weight_sum();
}

template <class T>
Stepper<T>::Stepper(const Network<T>& network, Index count) : count_(count), pass_(network, count, 1) {
  Index carried = 0;
  for (Index i = 0; i < network.depth(); ++i) carried += network.layer(i).state_size();
  state_ = Arena<T>(count * carried);
}

template <class T> void Stepper<T>::step(const Network<T>& network, const T* x, bool link, T* out) {
  Samples<T> samples;
  samples.x = {x, count_, network.inputs()};
  samples.count = count_;
  T* const from = pass_.run(network, samples, state_.data());
  if (link) apply_link(link_of(network.loss()), from, count_, network.outputs());
  std::copy_n(from, count_ * network.outputs(), out);
}

#define LAMINA_INSTANTIATE(T)                                                                      \
  template void infer_sequences<T>(const Network<T>&, kernels::Team&, const Samples<T>&, bool, T*, \
                                   const std::function<void()>&);                                  \
  template double evaluate_sequences<T>(const Network<T>&, kernels::Team&, const Samples<T>&);     \
  template class SequencePass<T>;                                                                  \
  template class Stepper<T>;
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)
#undef LAMINA_INSTANTIATE

}  // namespace lamina
