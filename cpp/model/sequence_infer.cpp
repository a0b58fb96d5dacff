#include "model/sequence_infer.hpp"

#include <algorithm>

#include "core/poll.hpp"
#include "kernels/rounding.hpp"
#include "model/members.hpp"

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

template <class T>
Matrix<T> SequencePass<T>::run(const Network<T>& network, const Samples<T>& samples, Vector<T> state) {
  sequences_.arrange(samples.index, samples.first, samples.count, samples.lengths, samples.steps);
  Samples<T> rows = samples;
  rows.index = sequences_.flat();
  rows.count = sequences_.rows();
  const Matrix<T> loaded(buffers_[0], rows.count, network.inputs());
  load_rows<T>(network, rows, {0, rows.count}, loaded);
  const Pass<T> pass;
  Tape<T> t;
  t.input = loaded;
  t.sequences = &sequences_;
  int next = 0;
  for (Index i = 0; i < network.depth(); ++i) {
    const Layer<T>& l = network.layer(i);
    next = 1 - next;
    t.output.view({buffers_[next], l.last_step_only() ? samples.count : t.rows(), l.outputs()});
    t.kept.view({kept_, t.rows() * l.kept_per_row()});
    if (!state.empty()) {
      t.state.view({state.data(), samples.count, l.state_size()});
      state.view(state.at({t.state.size(), state.size()}));
    }
    l.forward(pass, network.weights(i, pass), t, {0, t.rows()}, scratch_);
    t.input = t.output;
  }
  if (network.members() == 1) return t.output;
  const Matrix<T> average(buffers_[1 - next], t.output.rows(), network.outputs());
  average_members(link_of(network.loss()), network.members(), t.output, average);
  return average;
}

template <class T>
void infer_sequences(const Network<T>& network, kernels::Team& team, const Samples<T>& samples,
                     const InferOptions& options, Matrix<T> out) {
  const Index steps = samples.steps, each = network.each_step() ? steps : 1;
  const Index threads = useful_threads(network, samples.count, false, team.size(), steps);
  const Index chunk = samples_for(512, steps, samples.count);
  if (network.each_step() && samples.lengths) out = T(0);
  std::vector<SequencePass<T>> passes;
  for (Index i = 0; i < threads; ++i) passes.emplace_back(network, chunk, steps);
  team.run(threads, [&](kernels::Worker& w) {
    SequencePass<T>& pass = passes[static_cast<std::size_t>(w.id)];
    const Range mine = w.share(samples.count, block);
    Poll poll(w.id == 0 ? options.poll : nullptr);
    for (Index begin = mine.begin; begin < mine.end && !w.failed(); begin += chunk) {
      poll();
      const Samples<T> part = samples.slice(begin, std::min(chunk, mine.end - begin));
      const Matrix<T> y = pass.run(network, part);
      const Sequences& s = pass.sequences();
      if (options.link) network.predict(y);
      Matrix<T> to = out.at_rows({begin * each, (begin + part.count) * each});
      if (network.each_step()) {
        s.for_each_row([&](Index i, Index t, Index row) { to.row(s.place(i) * steps + t) = y.row(row); });
      } else {
        for (Index i = 0; i < s.samples(); ++i) to.row(s.place(i)) = y.row(i);
      }
    }
  });
}

template <class T>
double evaluate_sequences(const Network<T>& network, kernels::Team& team, const Samples<T>& samples,
                          const std::function<void()>& poll) {
  InferOptions options;
  options.poll = poll;
  Poll between(poll);
  const Index n = network.outputs(), each = network.each_step() ? samples.steps : 1;
  const Index chunk = samples_for(8192, samples.steps, samples.count);
  Arena<T> outputs(chunk * each * n), row_loss(each);
  double total = 0;
  for (Index begin = 0; begin < samples.count; begin += chunk) {
    const Samples<T> part = samples.slice(begin, std::min(chunk, samples.count - begin));
    const Matrix<T> y(outputs.data(), part.count * each, n);
    between();
    infer<T>(network, team, part, options, y);
    for (Index i = 0; i < part.count; ++i) {
      TargetRows<T> targets = part.targets(network.target_scale());
      targets.index = nullptr;
      targets.first = part.sample(i) * each;
      const Index rows = network.each_step() ? part.length(part.sample(i)) : 1;
      evaluate_loss<T>(network.loss(), y.at_rows({i * each, i * each + rows}), targets, {row_loss.data(), rows}, T(1),
                       {});
      for (Index t = 0; t < rows; ++t) total += static_cast<double>(row_loss[t]);
    }
  }
  return total / samples.weight_sum();
}

template <class T> Index carried_by(const Network<T>& network) {
  Index carried = 0;
  for (Index i = 0; i < network.depth(); ++i) carried += network.layer(i).state_size();
  return carried;
}

template <class T>
Stepper<T>::Stepper(const Network<T>& network, Index count)
    : count_(count), state_(count * carried_by(network)), pass_(network, count, 1) {}

template <class T>
void Stepper<T>::step(const Network<T>& network, const Matrix<const T>& x, bool link, Matrix<T> out) {
  const kernels::UsualRounding rounding;
  Samples<T> samples;
  samples.x = x;
  samples.count = count_;
  out = pass_.run(network, samples, state_.vector());
  if (link) network.predict(out);
}

#define LAMINA_INSTANTIATE(T)                                                                                 \
  template void infer_sequences<T>(const Network<T>&, kernels::Team&, const Samples<T>&, const InferOptions&, \
                                   Matrix<T>);                                                                \
  template double evaluate_sequences<T>(const Network<T>&, kernels::Team&, const Samples<T>&,                 \
                                        const std::function<void()>&);                                        \
  template Index carried_by<T>(const Network<T>&);                                                            \
  template class SequencePass<T>;                                                                             \
  template class Stepper<T>;
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)
#undef LAMINA_INSTANTIATE

}  // namespace lamina
