/// Predictions and their losses: rows through all layers, nothing kept.
#include <algorithm>
#include <stdexcept>
#include <utility>

#include "core/poll.hpp"
#include "kernels/reduce.hpp"
#include "model/sequence_infer.hpp"

namespace lamina {
namespace {

/// A thread's memory for predictions, kept from call to call: what a small one would otherwise spend its time on. A
/// call takes it away and puts it back at its end, since a custom activation may predict in the middle of another
/// prediction.
template <class T> class InferMemory {
 public:
  InferMemory() : parts(std::move(kept())) {}
  ~InferMemory() { kept() = std::move(parts); }
  InferMemory(const InferMemory&) = delete;
  InferMemory& operator=(const InferMemory&) = delete;

  struct Parts {
    Arena<T> buffers;
    Scratch<T> scratch;
  } parts;

 private:
  static Parts& kept() {
    thread_local Parts memory;
    return memory;
  }
};

/// Whether layer i takes the rescaling of the layer after it, batch norm that is, into its own forward pass.
template <class T> bool folds_next(const Network<T>& network, Index i) {
  return i + 1 < network.depth() && network.layer(i).takes_rescaling() && network.layer(i + 1).rescales();
}

template <class T> void need_finite(const Samples<T>& samples) {
  const Index steps = samples.steps;
  const auto check = [&](Index first, Index count) {
    if (kernels::first_nonfinite(samples.x.row(first * steps), count * steps * samples.x.columns) >= 0)
      throw std::domain_error("an input is NaN or infinite");
  };
  if (!samples.index) return check(samples.first, samples.count);
  for (Index i = 0; i < samples.count; ++i) check(samples.sample(i), 1);
}

/// The rows of one thread, a chunk at a time through all layers. `memory` has room for two chunks of the widest layer
/// and two more of its rows.
template <class T>
void infer_rows(const Network<T>& network, const Samples<T>& mine, bool link, T* out, T* memory, Index width,
                Index chunk, Scratch<T>& scratch, const InferChecks& checks, const kernels::Worker& worker) {
  T* const buffers[2] = {memory, memory + chunk * width};
  T* const scale = memory + 2 * chunk * width;
  T* const shift = scale + width;
  const Index last = network.depth() - 1;
  const Pass pass;
  Poll poll(worker.id == 0 ? checks.poll : nullptr);
  for (Index begin = 0; begin < mine.count && !worker.failed(); begin += chunk) {
    poll();
    const Samples<T> rows = mine.slice(begin, std::min(chunk, mine.count - begin));
    if (checks.finite) need_finite(rows);  // here the product finds them in cache
    const T* input = nullptr;
    int next = 0;
    if (usable_in_place(network, rows)) {
      input = rows.x.row(rows.first);
    } else {
      load_rows(network, rows, {0, rows.count}, buffers[next]);
      input = buffers[next];
      next = 1 - next;
    }
    T* const to = out + begin * network.outputs();
    for (Index i = 0; i <= last; ++i) {
      Tape<T> t;
      t.rows = rows.count;
      t.input = input;
      const Index layer = i;
      if (folds_next(network, layer)) {
        network.layer(++i).rescaling(network.weights(layer + 1), scale, shift);
        t.scale = scale;
        t.shift = shift;
      }
      t.output = i == last ? to : buffers[next];
      t.kept = t.output;  // nothing is kept: pre-activations may be overwritten by the outputs
      network.layer(layer).forward(pass, network.weights(layer), t, {0, rows.count}, scratch);
      input = t.output;
      next = 1 - next;
    }
    if (link) apply_link(link_of(network.loss()), to, rows.count, network.outputs());
  }
}

}  // namespace

template <class T>
void infer(const Network<T>& network, kernels::Team& team, const Samples<T>& samples, bool link, T* out,
           const InferChecks& checks) {
  if (network.recurrent()) {
    if (checks.finite) need_finite(samples);
    return infer_sequences(network, team, samples, link, out, checks.poll);
  }
  Index width = network.inputs();
  for (Index i = 0; i < network.depth(); ++i) width = std::max(width, network.layer(i).outputs());
  const Index chunk = std::min<Index>(samples.count, std::clamp<Index>((Index{1} << 15) / width / 8 * 8, 32, 512));
  const Index threads = useful_threads(network, samples.count, false, team.size());
  const Index room = 2 * (chunk + 1) * width;
  if (threads == 1) {
    InferMemory<T> memory;
    memory.parts.buffers.reserve(room);
    team.run(1, [&](kernels::Worker& w) {
      infer_rows(network, samples, link, out, memory.parts.buffers.data(), width, chunk, memory.parts.scratch, checks,
                 w);
    });
    return;
  }
  Arena<T> memory(threads * room);
  std::vector<Scratch<T>> scratch(static_cast<std::size_t>(threads));
  team.run(threads, [&](kernels::Worker& w) {
    const Range mine = w.share(samples.count, row_grain);
    infer_rows(network, samples.slice(mine.begin, mine.size()), link, out + mine.begin * network.outputs(),
               memory.data() + w.id * room, width, chunk, scratch[static_cast<std::size_t>(w.id)], checks, w);
  });
}

template <class T>
void infer(const Network<T>& network, const Samples<T>& samples, bool link, T* out, Index threads,
           const InferChecks& checks) {
  const Index useful =
      threads == 1 ? 1 : useful_threads(network, samples.count, false, kernels::choose_threads(threads), samples.steps);
  kernels::with_team(useful, [&](kernels::Team& team) { infer(network, team, samples, link, out, checks); });
}

template <class T> double evaluate_samples(const Network<T>& network, kernels::Team& team, const Samples<T>& samples) {
  if (network.recurrent()) return evaluate_sequences(network, team, samples);
  constexpr Index most = 8192;
  const Index chunk = std::min(samples.count, most);
  Arena<T> outputs(chunk * network.outputs());
  std::vector<T> row_loss(static_cast<std::size_t>(chunk));
  double total = 0;
  for (Index begin = 0; begin < samples.count; begin += chunk) {
    const Samples<T> rows = samples.slice(begin, std::min(chunk, samples.count - begin));
    infer(network, team, rows, false, outputs.data());
    loss_of(network, rows, outputs.data(), static_cast<T*>(nullptr), {0, rows.count}, T(1), row_loss.data());
    for (Index i = 0; i < rows.count; ++i) total += static_cast<double>(row_loss[static_cast<std::size_t>(i)]);
  }
  return total / samples.weight_sum();
}

#define LAMINA_INSTANTIATE(T)                                                                                 \
  template void infer<T>(const Network<T>&, kernels::Team&, const Samples<T>&, bool, T*, const InferChecks&); \
  template void infer<T>(const Network<T>&, const Samples<T>&, bool, T*, Index, const InferChecks&);          \
  template double evaluate_samples<T>(const Network<T>&, kernels::Team&, const Samples<T>&);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)
#undef LAMINA_INSTANTIATE

}  // namespace lamina
