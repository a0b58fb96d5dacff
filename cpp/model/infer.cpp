#include "model/infer.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "core/poll.hpp"
#include "kernels/reduce.hpp"
#include "kernels/threads.hpp"
#include "model/members.hpp"
#include "model/sequence_infer.hpp"

namespace lamina {
namespace {

/// A thread's memory for predictions, kept from call to call: what a small one would otherwise spend its time on. A
/// call takes it away and puts it back at its end, since a custom activation may predict in the middle of another
/// prediction.
template <class T> class InferMemory {
 public:
  InferMemory() : parts(std::move(kernels::of_this_thread<Parts>())) {}
  ~InferMemory() { kernels::of_this_thread<Parts>() = std::move(parts); }
  InferMemory(const InferMemory&) = delete;
  InferMemory& operator=(const InferMemory&) = delete;

  struct Parts {
    Arena<T> buffers;
    Scratch<T> scratch;
  } parts;
};

template <class T> void need_finite(const Samples<T>& samples) {
  const Index steps = samples.steps;
  const auto check = [&](Index first, Index count) {
    if (kernels::first_nonfinite(samples.x.at_rows({first * steps, (first + count) * steps})) >= 0)
      throw std::domain_error("an input is NaN or infinite");
  };
  if (!samples.index) return check(samples.first, samples.count);
  for (Index i = 0; i < samples.count; ++i) check(samples.sample(i), 1);
}

/// One thread's predictions, a chunk of rows at a time through all layers.
template <class T> class RowInference {
 public:
  RowInference(const Network<T>& network, const InferOptions& options, Index count)
      : network_(network), options_(options), width_(network.inputs()), last_to_write_(network.depth() - 1) {
    for (Index i = 0; i < network.depth(); ++i) width_ = std::max(width_, network.layer(i).outputs());
    chunk_ = std::min<Index>(count, std::clamp<Index>((Index{1} << 15) / width_ / 8 * 8, 32, 512));
    while (last_to_write_ > 0 && network.layer(last_to_write_).predicts_in_place()) --last_to_write_;
    if (network.members() > 1) last_to_write_ = network.depth();  // `out` is for the average
  }

  /// Elements of memory that a thread needs: two chunks of the widest layer.
  Index room() const { return 2 * chunk_ * width_; }

  /// The outputs of `mine` into `out`, in `memory`. Ends early where another worker has failed.
  void run(const Samples<T>& mine, const Matrix<T>& out, T* memory, Scratch<T>& scratch,
           const kernels::Worker& worker) const {
    Poll poll(worker.id == 0 ? options_.poll : nullptr);
    for (Index begin = 0; begin < mine.count && !worker.failed(); begin += chunk_) {
      poll();
      const Samples<T> rows = mine.slice(begin, std::min(chunk_, mine.count - begin));
      if (options_.finite) need_finite(rows);  // here the product finds them in cache
      const Matrix<T> to = out.at_rows({begin, begin + rows.count});
      run_chunk(rows, to, memory, scratch);
      if (options_.link) network_.predict(to);
    }
  }

 private:
  /// Layers write to one half of the memory by turns, or over their input where they may; the last one that needs
  /// memory of its own, and those in place behind it, to `out`.
  void run_chunk(const Samples<T>& rows, const Matrix<T>& out, T* memory, Scratch<T>& scratch) const {
    const Pass<T> pass;
    T *from = memory, *to = memory + chunk_ * width_;
    Tape<T> t;
    const bool in_place = usable_in_place(network_, rows);
    if (in_place) {
      t.input = rows.x.at_rows({rows.first, rows.first + rows.count});
    } else {
      const Matrix<T> loaded(from, rows.count, network_.inputs());
      load_rows<T>(network_, rows, {0, rows.count}, loaded);
      t.input = loaded;
    }
    for (Index i = 0; i < network_.depth(); ++i) {
      const Layer<T>& l = network_.layer(i);
      if (i >= last_to_write_) {
        t.output.view(out);
      } else if (l.predicts_in_place() && (i > 0 || !in_place)) {
        t.output.view({from, rows.count, l.outputs()});
      } else {
        t.output.view({to, rows.count, l.outputs()});
        std::swap(from, to);
      }
      l.forward(pass, network_.weights(i, pass), t, {0, rows.count}, scratch);
      t.input = t.output;
    }
    const Index members = network_.members();
    if (members > 1) average_members(link_of(network_.loss()), members, t.output, out);
  }

  const Network<T>& network_;
  const InferOptions& options_;
  Index width_, chunk_, last_to_write_;
};

}  // namespace

template <class T>
void infer(const Network<T>& network, kernels::Team& team, const Samples<T>& samples, const InferOptions& options,
           const Matrix<T>& out) {
  if (network.recurrent()) {
    if (options.finite) need_finite(samples);
    return infer_sequences(network, team, samples, options, out);
  }
  const RowInference<T> inference(network, options, samples.count);
  const Index threads = useful_threads(network, samples.count, false, team.size());
  if (threads == 1) {
    InferMemory<T> memory;
    memory.parts.buffers.reserve(inference.room());
    team.run(1, [&](kernels::Worker& w) {
      inference.run(samples, out, memory.parts.buffers.data(), memory.parts.scratch, w);
    });
    return;
  }
  Arena<T> memory(threads * inference.room());
  std::vector<Scratch<T>> scratch(static_cast<std::size_t>(threads));
  team.run(threads, [&](kernels::Worker& w) {
    const Range mine = w.share(samples.count, row_grain);
    inference.run(samples.slice(mine.begin, mine.size()), out.at_rows(mine), memory.data() + w.id * inference.room(),
                  scratch[static_cast<std::size_t>(w.id)], w);
  });
}

template <class T>
void infer(const Network<T>& network, const Samples<T>& samples, const InferOptions& options, const Matrix<T>& out,
           Index threads) {
  const Index useful =
      threads == 1 ? 1 : useful_threads(network, samples.count, false, kernels::choose_threads(threads), samples.steps);
  kernels::with_team(useful, [&](kernels::Team& team) { infer(network, team, samples, options, out); });
}

template <class T> bool is_short(const Network<T>& network, const Samples<T>& samples) {
  constexpr double operations = 1e5;
  return network.work_per_row() * static_cast<double>(samples.count * samples.steps) < operations;
}

template <class T> Scored<T> scored_of(const Network<T>& network, const Samples<T>& samples, const T* predictions) {
  const TargetDomain& domain = target_domain(network.loss());
  return {{predictions, samples.count, network.outputs()}, samples.targets({}), domain.kind, domain.border};
}

template <class T>
Evaluation evaluate_samples(const Network<T>& network, kernels::Team& team, const Samples<T>& samples,
                            const std::function<void()>& poll, const Metric* metric) {
  InferOptions options;
  options.poll = poll;
  const Index outputs = network.outputs();
  Evaluation out;
  Arena<T> predicted(metric ? samples.count * outputs : 0);
  const Matrix<T> predictions(predicted.data(), metric ? samples.count : 0, outputs);
  if (network.recurrent()) {
    out.loss = evaluate_sequences(network, team, samples, poll);
    options.link = true;
    if (metric) infer<T>(network, team, samples, options, predictions);
  } else {
    Poll between(poll);
    constexpr Index most = 8192;
    const Index chunk = std::min(samples.count, most);
    Arena<T> memory(metric ? 0 : chunk * outputs), row_loss(chunk);
    double total = 0;
    for (Index begin = 0; begin < samples.count; begin += chunk) {
      const Samples<T> rows = samples.slice(begin, std::min(chunk, samples.count - begin));
      const Matrix<T> y =
          metric ? predictions.at_rows({begin, begin + rows.count}) : Matrix<T>(memory.data(), rows.count, outputs);
      between();
      infer<T>(network, team, rows, options, y);
      evaluate_loss<T>(network.loss(), y, rows.targets(network.target_scale()), {row_loss.data(), rows.count}, T(1),
                       {});
      for (Index i = 0; i < rows.count; ++i) total += static_cast<double>(row_loss[i]);
      if (metric) network.predict(y);
    }
    out.loss = total / samples.weight_sum();
  }
  if (!metric) return out;
  out.score = metric_of<T>(*metric, scored_of<T>(network, samples, predictions.data()));
  return out;
}

template <class T>
Evaluation evaluate_samples(const Network<T>& network, const Samples<T>& samples, Index threads,
                            const std::function<void()>& poll, const Metric* metric) {
  Evaluation out;
  const Index useful = useful_threads(network, samples.count, false, kernels::choose_threads(threads), samples.steps);
  kernels::with_team(useful,
                     [&](kernels::Team& team) { out = evaluate_samples(network, team, samples, poll, metric); });
  return out;
}

#define LAMINA_INSTANTIATE(T)                                                                                          \
  template void infer<T>(const Network<T>&, kernels::Team&, const Samples<T>&, const InferOptions&, const Matrix<T>&); \
  template void infer<T>(const Network<T>&, const Samples<T>&, const InferOptions&, const Matrix<T>&, Index);          \
  template bool is_short<T>(const Network<T>&, const Samples<T>&);                                                     \
  template Scored<T> scored_of<T>(const Network<T>&, const Samples<T>&, const T*);                                     \
  template Evaluation evaluate_samples<T>(const Network<T>&, kernels::Team&, const Samples<T>&,                        \
                                          const std::function<void()>&, const Metric*);                                \
  template Evaluation evaluate_samples<T>(const Network<T>&, const Samples<T>&, Index, const std::function<void()>&,   \
                                          const Metric*);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)
#undef LAMINA_INSTANTIATE

}  // namespace lamina
