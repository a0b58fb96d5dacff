#include "train/trainer.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <sstream>

#include "core/poll.hpp"
#include "kernels/reduce.hpp"
#include "kernels/thread_choice.hpp"
#include "train/data_start.hpp"
#include "train/epochs.hpp"
#include "train/full_batch.hpp"
#include "train/penalty.hpp"

namespace lamina {
namespace {

/// How an epoch is cut into batches. A rest that is too small for a batch of its own goes with the last one.
struct Batches {
  Index samples, size, least;

  Index count() const { return std::max<Index>(1, samples / size + (samples % size >= least && samples % size > 0)); }
  Index size_of(Index b) const { return b + 1 < count() ? size : samples - b * size; }
  Index largest() const { return std::max(std::min(size, samples), size_of(count() - 1)); }
};

template <class T> Batches batches_of(const Network<T>& network, const Samples<T>& train, const FitOptions& options) {
  return {train.count, std::min(options.batch_size, train.count), network.least_batch()};
}

/// Makes an empty memory that of `rule` before its first step.
template <class T> void begin(OptimizerMemory<T>& memory, const Optimizer& rule, Index n) {
  memory.optimizer = running(rule);
  for (int s = 0; s < slots_of(rule); ++s) {
    memory.slots.emplace_back(n);
    const double start = std::visit([&](const auto& o) { return o.initial_slot(s); }, rule);
    if (start != 0) std::fill_n(memory.slots.back().data(), n, static_cast<T>(start));
  }
}

/// One fit: the state between steps, and the steps.
template <class T> class Trainer {
 public:
  Trainer(Network<T>& network, const Samples<T>& train, const Samples<T>& validation, const FitOptions& options,
          const std::vector<Segment>& segments, const std::vector<char>& frozen, OptimizerMemory<T>& memory,
          History& history, kernels::Team& team, const FitCourse<T>& course)
      : network_(network),
        train_(train),
        options_(options),
        memory_(memory),
        history_(history),
        team_(team),
        keeper_(network, validation, options, history, team, course),
        batches_(batches_of(network, train, options)),
        threads_(options.threads > 0 ? team.size()
                                     : useful_threads(network, batches_.size, true, team.size(), train.steps)),
        choice_(options.threads > 0 ? 1 : threads_, memory.alone),
        pass_(network, chunk_rows(network, batches_.largest(), train.steps), threads_),
        steps_directly_(can_step_directly()),
        gradients_(steps_directly_ ? 0 : network.parameters().size()),
        segments_(segments),
        frozen_(frozen),
        steps_per_poll_(
            static_cast<Index>(2e5 / (3 * network.work_per_row() * static_cast<double>(batches_.size * train.steps)))),
        rate_(keeper_.position().rate) {
    if (!course.from) rate_ = rate_of(options.optimizer);
    if (options.shuffle) order_.resize(static_cast<std::size_t>(train.count));
    if (options.sam_rho > 0) start_ = Arena<T>(network.parameters().size());
    prepare_memory();  // last: what throws before it has changed nothing
  }

  void run() {
    try {
      keeper_.run([this](Index epoch) { run_epoch(epoch); }, [this](FitState<T>& state) { state.memory = memory_; });
    } catch (...) {
      if (!history_.began) take_memory_back();
      throw;
    }
  }

 private:
  /// Whether each piece of the gradient can be stepped on as it comes: no norm of the whole is needed, nothing is
  /// added.
  bool can_step_directly() const {
    return options_.sam_rho == 0 && std::holds_alternative<clipping::None>(options_.clipping) &&
           batches_.largest() <= pass_.rows();
  }

  void prepare_memory() {
    const Optimizer& rule = options_.optimizer;
    const Index n = network_.parameters().size();
    if (const FitState<T>* const from = keeper_.from()) {
      check_memory(from->memory, rule, n);
      OptimizerMemory<T> kept = from->memory;
      kept.optimizer = running(rule, &*from->memory.optimizer);
      kept.alone = memory_.alone;
      kept.trained = true;
      before_ = std::move(memory_);
      memory_ = std::move(kept);
      return;
    }
    if (options_.resume && (memory_.optimizer || memory_.trained)) {
      check_memory(memory_, rule, n);
      resumed_ = true;
      before_.optimizer = memory_.optimizer;
      memory_.optimizer = running(rule, &*memory_.optimizer);
      return;
    }
    OptimizerMemory<T> fresh;
    fresh.alone = memory_.alone;
    fresh.trained = true;
    begin(fresh, rule, n);
    before_ = std::move(memory_);
    memory_ = std::move(fresh);
  }

  /// Throws std::invalid_argument where there is nothing that `rule` could go on with.
  static void check_memory(const OptimizerMemory<T>& memory, const Optimizer& rule, Index n) {
    const std::string mine = name_of(rule);
    if (!memory.optimizer)
      throw std::invalid_argument("resume must be False where there is nothing to go on with: " + mine +
                                  " has taken no step of this network, or its memory was left behind (a model file "
                                  "has none; a checkpoint has)");
    const std::string other = std::visit([](const auto& o) { return std::string(o.rule.name); }, *memory.optimizer);
    if (memory.optimizer->index() != rule.index())
      throw std::invalid_argument("resume must be False for " + mine + ": the memory that is there is of " + other);
    for (const Arena<T>& slot : memory.slots) {
      if (slot.size() != n)
        throw std::invalid_argument("the optimizer's memory has " + std::to_string(slot.size()) + " numbers for " +
                                    std::to_string(n) + " parameters");
    }
  }

  /// A refused fit: the memory is what it was.
  void take_memory_back() {
    if (resumed_) memory_.optimizer = before_.optimizer;
    else memory_ = std::move(before_);
  }

  void run_epoch(Index epoch) {
    if (!order_.empty()) {
      std::iota(order_.begin(), order_.end(), std::int64_t{0});
      const Random random(options_.seed, Purpose::shuffle, static_cast<std::uint32_t>(memory_.epochs));
      random.permute(order_.data(), train_.count);
      if (train_.index || train_.first != 0) {
        for (std::int64_t& i : order_) i = train_.sample(static_cast<Index>(i));
      }
    }
    double loss = 0, weight = 0, rate = rate_;
    for (Index b = 0; b < batches_.count(); ++b) {
      const Index begin = b * batches_.size;
      Samples<T> batch = train_.slice(begin, batches_.size_of(b));
      if (!order_.empty()) batch.index = order_.data() + begin;
      const double batch_weight = batch.weight_sum();
      if (batch_weight <= 0) continue;  // rows of weight 0 change nothing
      rate = rate_ * scheduled(options_.schedule, epoch, begin);
      decay_factor_ = scheduled(options_.decay_schedule, epoch, begin);
      dropout_factor_ = std::min(1.0, scheduled(options_.dropout_schedule, epoch, begin));
      keeper_.begin_step();
      if (before_.optimizer) before_ = {};
      team_.take_longest_wait();  // what was waited between the steps
      choice_.start();
      const double sum = step(batch, batch_weight, rate);
      choice_.finish(team_.take_longest_wait());
      if (threads_ > 1) memory_.alone = choice_.alone();
      if (!std::isfinite(sum)) {
        keeper_.diverge(epoch, b + 1, pass_.first_bad_layer(), sum, rate);
        return;
      }
      keeper_.end_step();
      loss += sum;
      weight += batch_weight;
      if (++steps_since_poll_ >= steps_per_poll_) {
        steps_since_poll_ = 0;
        keeper_.poll();
      }
    }
    ++memory_.epochs;
    if (const auto chosen = keeper_.finish(epoch, loss / weight, rate)) {
      rate_ = rate > 0 ? *chosen * (rate_ / rate) : *chosen;  // what a hook sets is the rate with the schedule in it
    }
  }

  double scheduled(const Schedule& schedule, Index epoch, Index samples_done) const {
    if (std::holds_alternative<schedule::Constant>(schedule)) return 1;
    Progress p;
    p.epoch = static_cast<double>(epoch - 1) + static_cast<double>(samples_done) / static_cast<double>(train_.count);
    p.epochs = static_cast<double>(options_.epochs);
    p.step = memory_.step;
    constexpr Index most = Index{1} << 62;  // a memory may come from anywhere
    p.samples = memory_.epochs > most / train_.count ? most : memory_.epochs * train_.count;
    return factor_of(schedule, p);
  }

  Index threads() const { return options_.threads > 0 ? threads_ : choice_.threads(); }

  Pass<T> training_pass(bool update_statistics) const {
    Pass<T> pass;
    pass.training = true;
    pass.seed = options_.seed;
    pass.step = static_cast<std::uint64_t>(memory_.step);
    pass.dropout = dropout_factor_;
    if (update_statistics) pass.statistics.view(network_.state().vector());
    pass.frozen = &frozen_;
    return pass;
  }

  /// Gradients of a batch; returns the weighted sum of the rows' losses.
  double gradients_of(const Samples<T>& batch, double weight, bool update_statistics) {
    // At SAM's other point nobody looks at the weights, not even a signal's handler.
    return pass_.run_all(team_, threads(), training_pass(update_statistics), batch, weight, gradients_.vector(), {},
                         update_statistics ? poll_ : nullptr);
  }

  /// Adds the penalty's gradient. What is frozen has none: it is no part of a norm, nor of SAM's other point.
  void complete_gradients(PenaltyStrength penalty) {
    add_penalty(network_, penalty, gradients_.vector());
    for (const Segment& s : segments_) {
      if (s.factors.rate == 0) gradients_.vector().at(s.range) = T(0);
    }
  }

  /// One step on a batch; returns the weighted sum of its losses, penalty included, before the step.
  double step(const Samples<T>& batch, double weight, double rate) {
    PenaltyStrength penalty = options_.penalty;
    if (options_.penalty_per_batch) {
      penalty.l1 /= weight;
      penalty.l2 /= weight;
    }
    const double penalty_sum = penalty.active() ? weight * network_.penalty(penalty.l1, penalty.l2) : 0.0;
    return steps_directly_ ? step_directly(batch, weight, penalty, penalty_sum, rate)
                           : step_on_gradients(batch, weight, penalty, penalty_sum, rate);
  }

  double step_directly(const Samples<T>& batch, double weight, PenaltyStrength penalty, double penalty_sum,
                       double rate) {
    if (!std::isfinite(penalty_sum)) return penalty_sum;
    const Pass<T> pass = training_pass(true);
    const RunningOptimizer before = *memory_.optimizer;
    advance(rate);
    const auto take_back = [&] {
      memory_.optimizer = before;
      --memory_.step;
    };
    penalty_of_step_ = penalty;
    const T scale = static_cast<T>(1 / weight);
    try {
      team_.run(threads(), [&](kernels::Worker& w) { pass_.run_and_step(w, pass, batch, scale, step_on_); });
    } catch (...) {
      if (pass_.stepped()) memory_ = {};  // in part: no fit can go on with that
      else take_back();
      throw;
    }
    const double sum = pass_.loss_sum() + penalty_sum;
    if (!std::isfinite(sum)) take_back();
    return sum;
  }

  double step_on_gradients(const Samples<T>& batch, double weight, PenaltyStrength penalty, double penalty_sum,
                           double rate) {
    const double sum = gradients_of(batch, weight, true) + penalty_sum;
    if (!std::isfinite(sum)) return sum;
    // Penalties are part of the cost: what is clipped, or taken at SAM's other point, has them in it.
    const bool clips = !std::holds_alternative<clipping::None>(options_.clipping);
    if (options_.sam_rho > 0) sharpen(batch, weight, penalty);
    else if (clips) complete_gradients(penalty);
    if (options_.sam_rho > 0 || clips) penalty = {};
    const T factor = clip_gradients(options_.clipping, network_, gradients_.vector());
    advance(rate);
    team_.run(threads(), [&](kernels::Worker& w) {
      for (const Segment& s : segments_) {
        const Range mine = w.share(s.range.size(), 16);
        const Index at = s.range.begin + mine.begin;
        update(s, at, gradients_.vector().at({at, at + mine.size()}), factor, penalty);
      }
    });
    return sum;
  }

  void advance(double rate) {
    lamina::advance(*memory_.optimizer, rate, decay_factor_);
    ++memory_.step;
  }

  /// SAM's second pass: the gradient at w + rho g / ||g||, penalty included in both; then w is put back.
  void sharpen(const Samples<T>& batch, double weight, PenaltyStrength penalty) {
    Arena<T>& w = network_.parameters();
    start_.copy_from(w);
    complete_gradients(penalty);
    const double norm = std::sqrt(kernels::sum_of_squares(gradients_.vector()));
    w.vector() += static_cast<T>(options_.sam_rho / (norm + 1e-12)) * gradients_.vector();
    try {
      gradients_of(batch, weight, false);
    } catch (...) {
      w.copy_from(start_);
      throw;
    }
    complete_gradients(penalty);
    w.copy_from(start_);
  }

  /// The segment that a parameter's elements from `at` on are in.
  const Segment& segment_at(Index at) const {
    std::size_t i = 0;
    while (at >= segments_[i].range.end) ++i;
    return segments_[i];
  }

  void update(const Segment& segment, Index at, const Vector<const T>& gradient, T factor, PenaltyStrength penalty) {
    if (segment.factors.rate == 0) return;  // frozen: a decay times 0 is none, a momentum must not move it
    T* slots[most_slots] = {};
    for (std::size_t i = 0; i < memory_.slots.size(); ++i) slots[i] = memory_.slots[i].data() + at;
    const ParameterPiece<T> piece{
        network_.parameters().data() + at, gradient.data(), slots, gradient.size(), segment.is_weight, segment.factors};
    optimizer_step(*memory_.optimizer, piece, factor, penalty);
  }

  Network<T>& network_;
  const Samples<T> train_;
  const FitOptions& options_;
  OptimizerMemory<T>& memory_;
  OptimizerMemory<T> before_;  // until the first step
  bool resumed_ = false;
  History& history_;
  kernels::Team& team_;
  EpochKeeper<T> keeper_;
  Batches batches_;
  Index threads_;
  kernels::ThreadChoice choice_;
  TrainingPass<T> pass_;
  bool steps_directly_;
  Arena<T> gradients_, start_;  // start_: the weights before SAM's first step
  const std::vector<Segment>& segments_;
  const std::vector<char>& frozen_;  // by layer
  std::vector<std::int64_t> order_;
  Index steps_per_poll_, steps_since_poll_ = 0;  // a look at the clock for every 200,000 operations is enough
  double& rate_;
  double decay_factor_ = 1, dropout_factor_ = 1;  // those of this step
  PenaltyStrength penalty_of_step_;
  const std::function<void()> poll_ = [this] { keeper_.poll(); };
  // Made once: it refers to this trainer alone, so that a step allocates nothing.
  const StepOn<T> step_on_ = [this](Index at, const Vector<const T>& gradient) {
    update(segment_at(at), at, gradient, T(1), penalty_of_step_);
  };
};

/// Throws std::invalid_argument for options of a step that do not go together.
void check_steps(const FitOptions& o) {
  const std::string rule = name_of(o.optimizer);
  for (const auto& [name, factor] : o.rates) {
    if (steps_by_rate(o.optimizer) || factor == 0 || factor == 1) continue;
    std::ostringstream text;
    text << "rates must be 0 (frozen) or 1 for " << rule << ", whose steps are not proportional to a rate; got "
         << factor << " for '" << name << "'";
    throw std::invalid_argument(text.str());
  }
  const bool decays = !o.decays.empty() || !std::holds_alternative<schedule::Constant>(o.decay_schedule);
  if (decays && !has_decay(o.optimizer)) {
    throw std::invalid_argument(
        "decays and decay_schedule need an optimizer with decoupled decay (AdamW or Lion); got " + rule);
  }
  if (o.resume && o.average > 0) {
    throw std::invalid_argument(
        "resume must be False where average is above 0: an average begins anew with each fit, so that going on would "
        "not be the same training");
  }
}

}  // namespace

template <class T>
void fit(Network<T>& network, const Samples<T>& train, const Samples<T>& validation, const FitOptions& options,
         OptimizerMemory<T>& memory, History& history, const FitCourse<T>& course) {
  check_fields(options);
  if (train.count < 1) throw std::invalid_argument("X must be at least one row to train on; got 0");
  const Index batch = options.solver ? train.count : batches_of(network, train, options).size;
  network.check_batch(batch);
  if (options.solver) check_full_batch(network, options);
  const std::vector<Segment> segments = segments_of(network, options.rates, options.decays);  // which checks the names
  const std::vector<char> frozen = frozen_layers(network, segments);
  if (!options.solver) check_steps(options);
  if (options.metric) {
    check_metric(*options.metric, network.loss());
    if (validation.count < 1 || validation.each_step)
      throw std::invalid_argument("metric needs validation samples with one target each");
    check_metric_of<T>(*options.metric, scored_of<T>(network, validation, nullptr));
  }
  const Normalization<T> before = network.normalization();
  const TargetScale<T> scale_before = network.target_scale();
  const bool start_due = network.data_start_due();
  DataStart<T> start(network);
  try {
    if (course.from) {
      network.set_target_scale(course.from->target_scale);
      network.set_normalization(course.from->normalization);
      network.set_data_start_due(false);
    } else {
      if (options.normalize_targets) network.set_target_scale(target_scale_of(train));
      if (options.normalize_inputs != Normalizing::none)
        network.set_normalization(
            normalization_of(train, options.normalize_inputs, options.poll, network.category_inputs()));
      start.run(train, options.seed, frozen);
    }
    const Index rows = std::max(batch, options.solver ? 0 : validation.count);
    const Index useful = useful_threads(network, rows, true, kernels::choose_threads(0), train.steps);
    kernels::with_team(options.threads > 0 ? options.threads : useful, [&](kernels::Team& team) {
      if (options.solver) fit_full_batch(network, team, train, validation, options, history, course);
      else Trainer<T>(network, train, validation, options, segments, frozen, memory, history, team, course).run();
    });
    memory.trained = true;
  } catch (...) {
    if (history.began) {
      memory.trained = true;
    } else {
      network.set_normalization(before);
      network.set_target_scale(scale_before);
      network.set_data_start_due(start_due);
      start.take_back();
    }
    throw;
  }
}

template <class T>
void fit(Network<T>& network, const Samples<T>& train, const Samples<T>& validation, const FitOptions& options,
         OptimizerMemory<T>& memory, History& history) {
  fit<T>(network, train, validation, options, memory, history, {});
}

template <class T> void begin_memory(OptimizerMemory<T>& memory, const Optimizer& rule, Index n) {
  if (memory.optimizer && memory.optimizer->index() == rule.index()) return;
  OptimizerMemory<T> fresh;
  fresh.trained = memory.trained;
  begin(fresh, rule, n);
  memory = std::move(fresh);
}

template <class T>
double loss_and_gradients(const Network<T>& network, const Samples<T>& samples, const GradientOptions& options,
                          Vector<T> gradients, Matrix<T> input_gradient) {
  check_fields(options);
  if (options.training) network.check_batch(samples.count);
  const double weight = samples.weight_sum();
  double sum = 0;
  const Index useful =
      useful_threads(network, samples.count, true, kernels::choose_threads(options.threads), samples.steps);
  kernels::with_team(useful, [&](kernels::Team& team) {
    TrainingPass<T> passes(network, chunk_rows(network, samples.count, samples.steps), team.size());
    Pass<T> pass;
    pass.training = options.training;
    pass.surrogates = options.surrogates;
    pass.seed = network.architecture().seed;
    Poll poll(options.poll);
    sum = passes.run_all(team, team.size(), pass, samples, weight, gradients, input_gradient, std::ref(poll));
  });
  if (!input_gradient.empty() && !network.normalization().empty())
    network.normalization().chain(samples.x, input_gradient);
  add_penalty(network, options.penalty, gradients);
  const auto [l1, l2] = options.penalty;
  return sum / weight + (options.penalty.active() ? network.penalty(l1, l2) : 0.0);
}

#define LAMINA_INSTANTIATE(T)                                                                                     \
  template void begin_memory<T>(OptimizerMemory<T>&, const Optimizer&, Index);                                    \
  template void fit<T>(Network<T>&, const Samples<T>&, const Samples<T>&, const FitOptions&, OptimizerMemory<T>&, \
                       History&, const FitCourse<T>&);                                                            \
  template void fit<T>(Network<T>&, const Samples<T>&, const Samples<T>&, const FitOptions&, OptimizerMemory<T>&, \
                       History&);                                                                                 \
  template double loss_and_gradients<T>(const Network<T>&, const Samples<T>&, const GradientOptions&, Vector<T>,  \
                                        Matrix<T>);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)
#undef LAMINA_INSTANTIATE

}  // namespace lamina
