#include "model/pass.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/reduce.hpp"
#include "model/members.hpp"

namespace lamina {
namespace {

/// Columns are shared among threads in multiples of this: a cache line of floats.
constexpr Index column_grain = 16;

/// Rows that go through a layer at a time where nothing is kept of them.
constexpr Index rows_not_kept = 128;

}  // namespace

template <class T> Index chunk_rows(const Network<T>& network, Index batch, Index steps) {
  if (network.needs_whole_batch()) return batch;
  Index width = network.inputs();
  for (Index i = 0; i < network.depth(); ++i) width += network.layer(i).outputs();
  // A MiB of floats, but never so few rows, or rows of members, that packing the weights would show.
  const Index fitting = (Index{1} << 18) / (width * steps) / 64 * 64;
  const Index fewest = network.recurrent() ? 64 : std::clamp<Index>(2048 / network.members() / 64 * 64, 64, 256);
  return std::min(batch, std::clamp<Index>(fitting, fewest, 4096));
}

template <class T>
TrainingPass<T>::TrainingPass(const Network<T>& network, Index rows, Index threads, Keeps keeps)
    : network_(network), rows_(rows), keeps_(keeps), scratch_(static_cast<std::size_t>(threads)) {
  allocate(1);
}

template <class T> bool TrainingPass<T>::by_blocks(Index layer) const {
  return keeps_ == Keeps::outputs && !network_.recurrent() && network_.layer(layer).split() == Split::rows;
}

template <class T> Index TrainingPass<T>::rows_at_once(Index layer, Index rows) const {
  return by_blocks(layer) ? std::min(rows, rows_not_kept) : rows;
}

/// Room for chunks of rows_ samples of `steps` rows. Where outputs alone are kept, they lie at one end of the memory
/// and at the other by turns, and what layers keep of their own behind that. Block by block an output may grow into
/// the input: from the front of the memory in the order of the rows, from its end in the other.
template <class T> void TrainingPass<T>::allocate(Index steps) {
  const auto rounded = [](Index n) { return (n + 15) / 16 * 16; };
  const auto rows_in = [&](Index i) { return i < network_.sequence_depth() ? rows_ * steps : rows_; };
  const auto rows_out = [&](Index i) { return network_.layer(i).last_step_only() ? rows_ : rows_in(i); };
  const auto rows_kept = [&](Index i) { return rows_at_once(i, rows_in(i)); };
  const auto of_output = [&](Index i) { return rounded(rows_out(i) * network_.layer(i).outputs()); };
  const auto in_place = [&](Index i) { return i > 0 && by_blocks(i) && network_.layer(i).predicts_in_place(); };
  const auto beside_input = [&](Index i) {
    if (i == 0) return of_output(i);
    if (!by_blocks(i)) return of_output(i) + of_output(i - 1);
    const auto of_block = [&](Index j) { return rounded(rows_at_once(i, rows_) * network_.layer(j).outputs()) + 16; };
    return std::max(of_output(i) + of_block(i - 1), of_output(i - 1) + of_block(i));
  };
  const bool all = keeps_ == Keeps::gradients;
  Index total = 0, room = 0, own = 0;
  for (Index i = 0; i < network_.depth(); ++i) {
    const Layer<T>& l = network_.layer(i);
    const Index of_own = rounded(rows_kept(i) * l.kept_per_row()) + rounded(l.kept_per_batch() * l.outputs());
    total += 2 * of_output(i) + of_own;
    if (!in_place(i)) room = std::max(room, beside_input(i));
    own = std::max(own, of_own);
  }
  memory_ = Arena<T>(all ? total : room + own);
  T* next = memory_.data();
  const auto take = [&](Index rows, Index columns) {
    const Matrix<T> m(next, rows, columns);
    next += rounded(m.size());
    return m;
  };
  tapes_.clear();
  bool at_end = true;
  for (Index i = 0; i < network_.depth(); ++i) {
    const Layer<T>& l = network_.layer(i);
    Tape<T>& t = tapes_.emplace_back();
    t.layer = static_cast<std::uint32_t>(i);
    t.comes_back = true;
    if (!all) {
      if (!in_place(i)) at_end = !at_end;
      next = memory_.data() + (at_end ? room - of_output(i) : 0);
    }
    t.output.view(take(rows_out(i), l.outputs()));
    if (all) t.delta.view(take(rows_out(i), l.outputs()));
    else next = memory_.data() + room;
    t.kept.view({take(rows_kept(i), l.kept_per_row()).data(), rows_kept(i) * l.kept_per_row()});
    t.shared.view(take(l.kept_per_batch(), l.outputs()));
  }
  row_loss_ = Arena<T>(all ? (network_.each_step() ? rows_ * steps : rows_) * network_.members() : 0);
  steps_ = steps;
}

template <class T> void TrainingPass<T>::load_sequences(const Samples<T>& chunk, bool input_gradient) {
  if (chunk.steps > steps_) allocate(chunk.steps);
  sequences_.arrange(chunk.index, chunk.first, chunk.count, chunk.lengths, chunk.steps);
  in_.index = sequences_.flat();
  in_.count = sequences_.rows();
  out_.index = network_.each_step() ? sequences_.flat() : sequences_.order();
  out_.count = network_.each_step() ? sequences_.rows() : sequences_.samples();
  if (input_gradient) input_delta_.reserve(rows_ * steps_ * network_.inputs());
  for (Index i = 0; i < network_.sequence_depth(); ++i) tape(i).sequences = &sequences_;
}

/// The tapes see as many rows of their memory as the chunk has.
template <class T> void TrainingPass<T>::view_rows(const Samples<T>& chunk, const Matrix<const T>& input) {
  const bool same = tape(0).rows() == in_.count && tape(network_.depth() - 1).output.rows() == out_.count;
  tape(0).input.view(input);
  if (same) return;
  for (Index i = 0; i < network_.depth(); ++i) {
    Tape<T>& t = tape(i);
    const Layer<T>& l = network_.layer(i);
    const Index rows = i < network_.sequence_depth() ? in_.count : chunk.count;
    const Index rows_out = l.last_step_only() ? chunk.count : rows;
    t.output.view({t.output.data(), rows_out, l.outputs()});
    if (keeps_ == Keeps::gradients) t.delta.view({t.delta.data(), rows_out, l.outputs()});
    t.kept.view({t.kept.data(), rows_at_once(i, rows) * l.kept_per_row()});
    if (i > 0) t.input.view(tape(i - 1).output);
  }
}

template <class T> void TrainingPass<T>::load_input(kernels::Worker& w, const Samples<T>& chunk, bool input_gradient) {
  if (w.id == 0) {
    in_ = out_ = chunk;
    if (network_.recurrent()) load_sequences(chunk, input_gradient);
    if (!chunk.weights.empty() || !row_weights_.empty() || !zero_rows_.empty()) load_weights(chunk);
    in_place_ = usable_in_place(network_, in_) && zero_rows_.empty();
    if (!in_place_) input_.reserve(rows_ * steps_ * network_.inputs());
    const Matrix<const T> loaded(input_.data(), in_.count, network_.inputs());
    view_rows(chunk, in_place_ ? chunk.x.at_rows({chunk.first, chunk.first + chunk.count}) : loaded);
  }
  w.barrier();
  if (in_place_) return;
  const Range mine = rows_of(w, 0);
  Matrix<T> to(input_.data(), in_.count, network_.inputs());
  load_rows<T>(network_, in_, mine, to);
  for (const Index row : zero_rows_) {
    if (row >= mine.begin && row < mine.end) to.row(row) = T(0);
  }
}

/// Weights where layers need them. Samples of weight 0 go through the layers as zeros, so that whatever they hold,
/// their part of every sum is 0: what overflows would give 0 times infinity.
template <class T> void TrainingPass<T>::load_weights(const Samples<T>& chunk) {
  zero_rows_.clear();
  const bool weighted = !chunk.weights.empty(), needed = weighted && network_.needs_whole_batch();
  if (needed) row_weights_.reserve(2 * rows_ * steps_);
  T* const by_step = row_weights_.data();
  T* const by_sample = needed && network_.recurrent() ? by_step + in_.count : by_step;
  for (Index i = 0; i < network_.depth() && !row_weights_.empty(); ++i) {
    const bool in_steps = i < network_.sequence_depth();
    const Vector<const T> own(in_steps ? by_step : by_sample, in_steps ? in_.count : chunk.count);
    tape(i).row_weights.view(needed ? own : Vector<const T>());
  }
  if (!weighted) return;
  if (!network_.recurrent()) {
    for (Index i = 0; i < chunk.count; ++i) {
      const T weight = chunk.weights[chunk.sample(i)];
      if (needed) by_sample[i] = weight;
      if (weight == 0) zero_rows_.push_back(i);
    }
    return;
  }
  bool all_count = true;
  for (Index i = 0; i < chunk.count; ++i) {
    const Index sample = static_cast<Index>(sequences_.order()[i]);
    all_count = all_count && chunk.counts(sample);
    if (needed && !chunk.each_step) by_sample[i] = chunk.weights[sample];
  }
  if (all_count && !needed) return;
  sequences_.for_each_row([&](Index i, Index t, Index row) {
    const Index sample = static_cast<Index>(sequences_.order()[i]);
    if (needed) by_step[row] = chunk.weights[chunk.each_step ? sample * chunk.steps + t : sample];
    if (!all_count && !chunk.counts(sample)) zero_rows_.push_back(row);
  });
}

/// The worker's rows of a layer's input.
template <class T> Range TrainingPass<T>::rows_of(const kernels::Worker& w, Index layer) const {
  if (!network_.recurrent()) return w.share(in_.count, row_grain);
  const Range samples = w.share(sequences_.samples(), Sequences::block_samples);
  return layer < network_.sequence_depth() ? sequences_.rows_of(samples) : samples;
}

template <class T> void TrainingPass<T>::forward(kernels::Worker& w, const Pass<T>& pass) {
  Split before = Split::rows;
  for (Index i = 0; i < network_.depth(); ++i) {
    const Layer<T>& l = network_.layer(i);
    const Split split = pass.training ? l.split() : Split::rows;
    if (split != before) w.barrier();
    forward(w, pass, i, split);
    before = split;
  }
  if (before == Split::columns) w.barrier();
}

template <class T> void TrainingPass<T>::forward(kernels::Worker& w, const Pass<T>& pass, Index layer, Split split) {
  const Layer<T>& l = network_.layer(layer);
  const Range part = split == Split::rows ? rows_of(w, layer) : w.share(l.outputs(), column_grain);
  l.forward(pass, network_.weights(layer, pass), tape(layer), part, scratch(w));
}

template <class T>
void TrainingPass<T>::forward_each(const Samples<T>& samples, Index end,
                                   const std::function<void(Index, const Matrix<const T>&)>& before) {
  kernels::Worker alone(nullptr, 0, 1);
  load_input(alone, samples, false);
  for (Index i = 0; i < end; ++i) {
    before(i, tape(i).input);
    if (i + 1 == end) break;  // nobody reads its outputs
    const Layer<T>& l = network_.layer(i);
    Pass<T> pass;
    pass.training = !l.random();
    const Index rows = tape(i).rows(), most = rows_at_once(i, rows);
    if (most == rows) {
      forward(alone, pass, i, pass.training ? l.split() : Split::rows);
      continue;
    }
    const bool from_end = i > 0 && tape(i).output.data() > tape(i).input.data();
    for (Index done = 0; done < rows; done += most) {
      const Index count = std::min(most, rows - done), begin = from_end ? rows - done - count : done;
      const Range part{begin, begin + count};
      Tape<T> some = tape(i);
      some.input.view(tape(i).input.at_rows(part));
      some.output.view(tape(i).output.at_rows(part));
      some.kept.view({some.kept.data(), count * l.kept_per_row()});
      l.forward(pass, network_.weights(i, pass), some, {0, count}, scratch(alone));
    }
  }
}

template <class T>
void TrainingPass<T>::backward(kernels::Worker& w, const Pass<T>& pass, const Matrix<T>& input_gradient) {
  const Index last = network_.depth() - 1;
  const Range outputs = rows_of(w, network_.each_step() ? last : network_.depth());
  network_.layer(last).scale_delta(pass, network_.weights(last), tape(last),
                                   {outputs, {0, network_.layer(last).outputs()}});
  Split before = Split::rows;
  for (Index i = last; i >= 0; --i) {
    const Layer<T>& l = network_.layer(i);
    if (i == 0 && input_gradient.empty() && !l.always_backward()) break;
    if (l.split() != before) w.barrier();
    before = l.split();
    const Range part = l.split() == Split::rows ? rows_of(w, i) : w.share(l.outputs(), column_grain);
    if (i == 0) {
      l.backward(pass, network_.weights(0), tape(0), input_gradient, part, scratch(w), {});
      break;
    }
    const Layer<T>& below = network_.layer(i - 1);
    const auto finished = [&](const Block& block) {
      below.scale_delta(pass, network_.weights(i - 1), tape(i - 1), block);
    };
    l.backward(pass, network_.weights(i), tape(i), tape(i - 1).delta, part, scratch(w), finished);
  }
  w.barrier();
}

template <class T>
void TrainingPass<T>::differentiate(kernels::Worker& w, const Pass<T>& pass, const Samples<T>& chunk, T scale,
                                    const Matrix<T>& input_gradient) {
  load_input(w, chunk, !input_gradient.empty());
  forward(w, pass);
  const Index last = network_.depth() - 1;
  const Range mine = rows_of(w, network_.each_step() ? last : last + 1);
  const Index members = network_.members();
  const Range rows{mine.begin * members, mine.end * members};
  TargetRows<T> targets = out_.targets(network_.target_scale()).from(mine.begin);
  targets.members = members;
  evaluate_loss<T>(network_.loss(), by_member(tape(last).output, members).at_rows(rows), targets,
                   row_loss_.vector().at(rows), scale / static_cast<T>(members),
                   by_member(tape(last).delta, members).at_rows(rows));
  const bool reordered = !input_gradient.empty() && network_.recurrent();
  backward(w, pass, reordered ? Matrix<T>(input_delta_.data(), in_.count, network_.inputs()) : input_gradient);
}

template <class T>
void TrainingPass<T>::run(kernels::Worker& w, const Pass<T>& pass, const Samples<T>& chunk, T scale,
                          const Vector<T>& gradients, kernels::Store store, const Matrix<T>& input_gradient) {
  const Index longest = chunk.count * chunk.steps * network_.members();
  const bool loses = store == kernels::Store::add || longest > kernels::chain_rows;
  if (w.id == 0 && loses) lost_.reserve(gradients.size());
  differentiate(w, pass, chunk, scale, input_gradient);
  for (Index i = 0; i < network_.depth(); ++i) {
    const Range range = network_.parameter_range(i);
    const Vector<T> own = gradients.at(range), lost = lost_.empty() ? Vector<T>() : lost_.vector().at(range);
    network_.layer(i).gradients(tape(i), {own, lost, store, w.id, w.size, scratch(w), scratch(w).piece});
  }
  if (!input_gradient.empty() && network_.recurrent()) spread_input_gradient(rows_of(w, 0), input_gradient);
  w.barrier();
}

template <class T>
double TrainingPass<T>::run_all(kernels::Team& team, Index threads, Pass<T> pass, const Samples<T>& batch,
                                double weight_sum, const Vector<T>& gradients, const Matrix<T>& input_gradient,
                                const std::function<void()>& between) {
  const T scale = static_cast<T>(1 / weight_sum);
  double sum = 0;
  for (Index begin = 0; begin < batch.count; begin += rows_) {
    if (begin > 0 && between) between();
    const Samples<T> chunk = batch.slice(begin, std::min(rows_, batch.count - begin));
    const Range rows{begin * batch.steps, (begin + chunk.count) * batch.steps};
    pass.first_row = rows.begin;
    const Matrix<T> dx = input_gradient.empty() ? input_gradient : input_gradient.at_rows(rows);
    const auto store = begin > 0 ? kernels::Store::add : kernels::Store::set;
    team.run(threads, [&](kernels::Worker& w) { run(w, pass, chunk, scale, gradients, store, dx); });
    sum += loss_sum();
  }
  return sum;
}

template <class T>
void TrainingPass<T>::run_and_step(kernels::Worker& w, const Pass<T>& pass, const Samples<T>& batch, T scale,
                                   const StepOn<T>& step_on) {
  if (w.id == 0) stepped_ = false;
  differentiate(w, pass, batch, scale, {});
  if (std::isfinite(loss_sum())) {
    if (w.id == 0) stepped_ = true;
    for (Index i = 0; i < network_.depth(); ++i) {
      const Index offset = network_.parameter_range(i).begin;
      network_.layer(i).gradients(tape(i), {step_on, offset, w.id, w.size, scratch(w), scratch(w).piece});
    }
  }
  w.barrier();
}

template <class T>
Vector<const T> TrainingPass<T>::jacobian(const Pass<T>& pass, const Samples<T>& sample, Matrix<T> rows) {
  kernels::Worker alone(nullptr, 0, 1);
  load_input(alone, sample, false);
  Tape<T>& last = tape(network_.depth() - 1);
  const std::vector<NamedParameter>& all = network_.named_parameters();
  // What is kept for learned slopes becomes their gradient as delta comes through.
  const bool spent =
      std::any_of(all.begin(), all.end(), [](const NamedParameter& p) { return p.info.role == Role::slope; });
  for (Index j = 0; j < network_.outputs(); ++j) {
    if (j == 0 || spent) forward(alone, pass);
    last.delta = T(0);
    last.delta(0, j) = T(1);
    backward(alone, pass, {});
    const Vector<T> gradient(rows.row_data(j), rows.cols());
    for (Index i = 0; i < network_.depth(); ++i) {
      Scratch<T>& own = scratch(alone);
      network_.layer(i).gradients(
          tape(i), {gradient.at(network_.parameter_range(i)), {}, kernels::Store::set, 0, 1, own, own.piece});
    }
  }
  return {last.output.data(), network_.outputs()};
}

/// The rows `part` of the input's delta to where they are in the chunk's part of x.
template <class T> void TrainingPass<T>::spread_input_gradient(Range part, Matrix<T> to) const {
  const Matrix<const T> delta(input_delta_.data(), in_.count, network_.inputs());
  const Index first = in_.first * in_.steps;
  for (Index i = part.begin; i < part.end; ++i) to.row(in_.sample(i) - first) = delta.row(i);
}

template <class T> double TrainingPass<T>::loss_sum() const {
  double sum = 0;
  for (Index i = 0; i < out_.count * network_.members(); ++i) sum += static_cast<double>(row_loss_[i]);
  return sum / static_cast<double>(network_.members());
}

template <class T> Index TrainingPass<T>::first_bad_layer() const {
  for (Index i = 0; i < network_.depth(); ++i) {
    if (kernels::first_nonfinite(tape(i).output) >= 0) return i;
  }
  return -1;
}

template <class T>
Index useful_threads(const Network<T>& network, Index rows, bool training, Index available, Index steps) {
  if (available == 1) return 1;
  const double work = network.work_per_row() * static_cast<double>(rows * steps) * (training ? 3 : 1);
  constexpr double worth_a_thread = 2e6;  // operations: some 20 us, where a barrier costs about one
  const auto most = static_cast<Index>(work / worth_a_thread);
  const Index grain = network.recurrent() ? Sequences::block_samples : row_grain;
  return std::clamp<Index>(std::min(most, rows / grain), 1, available);
}

#define LAMINA_INSTANTIATE(T)                                    \
  template Index chunk_rows<T>(const Network<T>&, Index, Index); \
  template class TrainingPass<T>;                                \
  template Index useful_threads<T>(const Network<T>&, Index, bool, Index, Index);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)
#undef LAMINA_INSTANTIATE

}  // namespace lamina
