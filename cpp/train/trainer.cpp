#include "train/trainer.hpp"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <numeric>
#include <optional>

#include "kernels/reduce.hpp"

namespace lamina {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

/// Runs of parameters that a step treats alike: weights (penalised, decayed) and the rest.
struct Segment {
  Range range;
  bool is_weight;
};
template <class T>
std::vector<Segment> segments_of(const Network<T>& network) {
  std::vector<Segment> out;
  for (const NamedParameter& p : network.named_parameters()) {
    if (!p.info.trained) continue;
    const bool weight = p.info.role == Role::weight;
    const Range range{p.info.offset, p.info.offset + p.info.size()};
    if (!out.empty() && out.back().is_weight == weight) out.back().range.end = range.end;
    else out.push_back({range, weight});
  }
  return out;
}

/// gradients += l1 sign(w) + 2 l2 w, for weights alone.
template <class T>
void add_penalty(const Network<T>& network, PenaltyStrength penalty, T* gradients) {
  if (!penalty.active()) return;
  const T l1 = static_cast<T>(penalty.l1), l2 = static_cast<T>(2 * penalty.l2);
  const T* w = network.parameters().data();
  for (const Segment& s : segments_of(network)) {
    if (!s.is_weight) continue;
    for (Index i = s.range.begin; i < s.range.end; ++i) {
      gradients[i] += l1 * static_cast<T>((w[i] > T(0)) - (w[i] < T(0))) + l2 * w[i];
    }
  }
}

/// One fit: the state between steps, and the steps.
template <class T>
class Trainer {
 public:
  Trainer(Network<T>& network, const Samples<T>& train, const Samples<T>& validation, const FitOptions& options,
          OptimizerMemory<T>& memory, History& history, kernels::Team& team)
      : network_(network),
        train_(train),
        validation_(validation),
        options_(options),
        memory_(memory),
        history_(history),
        team_(team),
        batch_(std::min(options.batch_size, train.count)),
        threads_(options.threads > 0 ? team.size() : useful_threads(network, batch_, true, team.size())),
        pass_(network, chunk_rows(network, batch_), threads_),
        gradients_(network.parameters().size()),
        segments_(segments_of(network)),
        rate_(rate_of(options.optimizer)) {
    prepare_memory();
    if (options.shuffle) order_.resize(static_cast<std::size_t>(train.count));
    best_parameters_ = network.parameters();
    best_state_ = network.state();
    if (options.sam_rho > 0) kept_ = Arena<T>(network.parameters().size());
  }

  void run() {
    try {
      for (Index epoch = 1; epoch <= options_.epochs && !stopped_; ++epoch) run_epoch(epoch);
    } catch (...) {
      history_.stop_reason = "interrupted";
      if (has_best_) restore_best();
      throw;
    }
    if (history_.diverged || (options_.early_stop.active && options_.early_stop.restore_best && has_best_)) restore_best();
  }

 private:
  void prepare_memory() {
    const auto slots = static_cast<std::size_t>(slots_of(options_.optimizer));
    const std::string name = name_of(options_.optimizer);
    const Index n = network_.parameters().size();
    const bool fits = memory_.name == name && memory_.slots.size() == slots && (slots == 0 || memory_.slots[0].size() == n);
    if (options_.resume && fits) return;
    memory_ = {};
    memory_.name = name;
    for (std::size_t s = 0; s < slots; ++s) {
      memory_.slots.emplace_back(n);
      const double start = std::visit([&](const auto& o) { return o.initial_slot(static_cast<int>(s)); }, options_.optimizer);
      if (start != 0) std::fill(memory_.slots.back().begin(), memory_.slots.back().end(), static_cast<T>(start));
    }
  }

  void poll() {
    const auto now = Clock::now();
    if (!options_.poll || now - last_poll_ < std::chrono::milliseconds(20)) return;
    last_poll_ = now;
    options_.poll();
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
    for (Index begin = 0; begin < train_.count && !stopped_; begin += batch_) {
      Samples<T> batch = train_.slice(begin, std::min(batch_, train_.count - begin));
      if (!order_.empty()) batch.index = order_.data() + begin;
      const double batch_weight = batch.weight_sum();
      if (batch_weight <= 0) continue;  // rows of weight 0 change nothing
      rate = scheduled_rate(epoch, begin);
      const double sum = step(batch, batch_weight, rate);
      if (!std::isfinite(sum)) {
        diverge(epoch, begin / batch_ + 1);
        history_.loss.push_back(sum);
        history_.learning_rate.push_back(rate);
        if (validation_.count > 0) history_.validation_loss.push_back(std::numeric_limits<double>::quiet_NaN());
        return;
      }
      loss += sum;
      weight += batch_weight;
      poll();
    }
    ++memory_.epochs;
    finish_epoch(epoch, loss / weight, rate);
  }

  double scheduled_rate(Index epoch, Index samples_done) {
    if (!options_.schedule) return rate_;
    Progress p;
    p.epoch = static_cast<double>(epoch - 1) + static_cast<double>(samples_done) / static_cast<double>(train_.count);
    p.epochs = static_cast<double>(options_.epochs);
    p.step = memory_.state.step;
    p.samples = static_cast<std::int64_t>(memory_.epochs) * train_.count;
    return rate_ * options_.schedule(p);
  }

  void finish_epoch(Index epoch, double loss, double rate) {
    EpochReport report;
    report.epoch = epoch;
    report.loss = loss;
    report.learning_rate = rate;
    report.seconds = seconds_since(start_);
    if (validation_.count > 0) {
      report.validation_loss = evaluate_samples(network_, team_, validation_);
      history_.validation_loss.push_back(report.validation_loss);
    }
    history_.loss.push_back(loss);
    history_.learning_rate.push_back(rate);
    const double watched = options_.monitor          ? options_.monitor(report)
                           : validation_.count > 0 ? report.validation_loss
                                                   : report.loss;
    watch(epoch, watched);
    if (options_.on_epoch) {
      options_.on_epoch(report);
      if (report.learning_rate != rate) rate_ = report.learning_rate;
      if (report.stop) stop(report.stop_reason.empty() ? "stopped by a callback" : report.stop_reason);
    }
  }

  void watch(Index epoch, double value) {
    if (value < best_value_ - (has_best_ ? options_.early_stop.min_delta : 0)) {
      best_value_ = value;
      has_best_ = true;
      history_.best_epoch = epoch;
      waited_ = 0;
      best_parameters_.copy_from(network_.parameters());
      best_state_.copy_from(network_.state());
      return;
    }
    if (options_.early_stop.active && ++waited_ >= options_.early_stop.patience) {
      stop("early stopping: no improvement for " + std::to_string(options_.early_stop.patience) + " epochs");
    }
  }

  void stop(const std::string& reason) {
    stopped_ = true;
    history_.stop_reason = reason;
  }

  void diverge(Index epoch, Index batch) {
    history_.diverged = true;
    history_.diverged_epoch = epoch;
    history_.diverged_batch = batch;
    history_.diverged_layer = pass_.first_bad_layer();
    stop("diverged: the loss of batch " + std::to_string(batch) + " of epoch " + std::to_string(epoch) + " is not finite" +
         (history_.diverged_layer >= 0 ? ", first in layer " + std::to_string(history_.diverged_layer) : ""));
  }

  void restore_best() {
    network_.parameters().copy_from(best_parameters_);
    network_.state().copy_from(best_state_);
  }

  /// Gradients of a batch, chunk by chunk; returns the weighted sum of the rows' losses.
  double gradients_of(const Samples<T>& batch, double weight, bool update_statistics) {
    double sum = 0;
    const T scale = static_cast<T>(1 / weight);
    for (Index begin = 0; begin < batch.count; begin += pass_.rows()) {
      const Samples<T> chunk = batch.slice(begin, std::min(pass_.rows(), batch.count - begin));
      Pass pass;
      pass.training = true;
      pass.seed = options_.seed;
      pass.step = static_cast<std::uint64_t>(memory_.state.step);
      pass.first_row = begin;
      pass.update_statistics = update_statistics;
      team_.run(threads_, [&](kernels::Worker& w) { pass_.run(w, pass, chunk, scale, gradients_.data(), begin > 0); });
      for (Index i = 0; i < chunk.count; ++i) sum += static_cast<double>(pass_.row_losses()[i]);
      if (begin > 0) poll();
    }
    return sum;
  }

  /// One step on a batch; returns the weighted sum of its losses, penalty included, before the step.
  double step(const Samples<T>& batch, double weight, double rate) {
    PenaltyStrength penalty = options_.penalty;
    if (options_.penalty_per_batch) {
      penalty.l1 /= weight;
      penalty.l2 /= weight;
    }
    double sum = gradients_of(batch, weight, true);
    if (penalty.active()) sum += weight * network_.penalty(penalty.l1, penalty.l2);
    if (!std::isfinite(sum)) return sum;
    if (options_.sam_rho > 0) sharpen(batch, weight, penalty);
    const T factor = clip_gradients(options_.clipping, network_, gradients_.data());
    OptimizerState& state = memory_.state;
    std::visit([&](const auto& o) { o.advance(state); }, options_.optimizer);
    state.rate = rate;
    team_.run(threads_, [&](kernels::Worker& w) { update(w, factor, penalty); });
    return sum;
  }

  /// SAM's second pass: the gradient at w + rho g / ||g||, penalty included in g; then w is put back.
  void sharpen(const Samples<T>& batch, double weight, PenaltyStrength penalty) {
    Arena<T>& w = network_.parameters();
    kept_.copy_from(w);
    add_penalty(network_, penalty, gradients_.data());
    const double norm = std::sqrt(kernels::sum_of_squares(gradients_.data(), gradients_.size()));
    const T reach = static_cast<T>(options_.sam_rho / (norm + 1e-12));
    for (Index i = 0; i < w.size(); ++i) w[i] += reach * gradients_[i];
    gradients_of(batch, weight, false);
    w.copy_from(kept_);
  }

  void update(kernels::Worker& w, T factor, PenaltyStrength penalty) {
    T* slots[2] = {nullptr, nullptr};
    for (const Segment& s : segments_) {
      const Range mine = w.share(s.range.size(), 16);
      const Index at = s.range.begin + mine.begin;
      for (std::size_t i = 0; i < memory_.slots.size(); ++i) slots[i] = memory_.slots[i].data() + at;
      optimizer_step(options_.optimizer, memory_.state, network_.parameters().data() + at, gradients_.data() + at, slots,
                     mine.size(), factor, penalty, s.is_weight);
    }
  }

  Network<T>& network_;
  const Samples<T> train_, validation_;
  const FitOptions& options_;
  OptimizerMemory<T>& memory_;
  History& history_;
  kernels::Team& team_;
  Index batch_, threads_;
  TrainingPass<T> pass_;
  Arena<T> gradients_, best_parameters_, best_state_, kept_;
  std::vector<Segment> segments_;
  std::vector<std::int64_t> order_;
  double rate_;
  double best_value_ = std::numeric_limits<double>::infinity();
  bool has_best_ = false, stopped_ = false;
  Index waited_ = 0;
  Clock::time_point start_ = Clock::now(), last_poll_ = start_;
};

void check(const FitOptions& o, Index rows) {
  const auto need = [](bool ok, const char* name, double got, const char* wanted) {
    if (ok) return;
    std::ostringstream s;
    s << name << " must be " << wanted << "; got " << got;
    throw std::invalid_argument(s.str());
  };
  need(o.epochs >= 1, "epochs", static_cast<double>(o.epochs), "at least 1");
  need(o.batch_size >= 1, "batch_size", static_cast<double>(o.batch_size), "at least 1");
  need(o.penalty.l1 >= 0 && std::isfinite(o.penalty.l1), "l1", o.penalty.l1, "finite and at least 0");
  need(o.penalty.l2 >= 0 && std::isfinite(o.penalty.l2), "l2", o.penalty.l2, "finite and at least 0");
  need(o.sam_rho >= 0 && std::isfinite(o.sam_rho), "rho", o.sam_rho, "finite and at least 0");
  need(o.early_stop.patience >= 1, "patience", static_cast<double>(o.early_stop.patience), "at least 1");
  need(rows >= 1, "X", static_cast<double>(rows), "at least one row to train on");
  std::visit([](const auto& e) { check_fields(e); }, o.optimizer);
  std::visit([](const auto& e) { check_fields(e); }, o.clipping);
}

}  // namespace

template <class T>
void fit(Network<T>& network, const Samples<T>& train, const Samples<T>& validation, const FitOptions& options,
         OptimizerMemory<T>& memory, History& history) {
  check(options, train.count);
  const Index batch = std::min(options.batch_size, train.count);
  const Index last = train.count % batch;
  for (Index i = 0; i < network.depth(); ++i) network.layer(i).check_batch(last == 0 ? batch : std::min(batch, last));
  const Index useful = useful_threads(network, std::max(batch, validation.count), true, kernels::choose_threads(0));
  kernels::with_team(options.threads > 0 ? options.threads : useful, [&](kernels::Team& team) {
    Trainer<T>(network, train, validation, options, memory, history, team).run();
  });
}

template <class T>
double loss_and_gradients(const Network<T>& network, const Samples<T>& samples, PenaltyStrength penalty, bool training,
                          bool surrogates, Index threads, T* gradients, T* input_gradient) {
  if (training) {
    for (Index i = 0; i < network.depth(); ++i) network.layer(i).check_batch(samples.count);
  }
  const double weight = samples.weight_sum();
  double sum = 0;
  const Index useful = useful_threads(network, samples.count, true, kernels::choose_threads(threads));
  kernels::with_team(useful, [&](kernels::Team& team) {
    TrainingPass<T> passes(network, chunk_rows(network, samples.count), team.size());
    for (Index begin = 0; begin < samples.count; begin += passes.rows()) {
      const Samples<T> chunk = samples.slice(begin, std::min(passes.rows(), samples.count - begin));
      Pass pass;
      pass.training = training;
      pass.surrogates = surrogates;
      pass.seed = network.architecture().seed;
      pass.first_row = begin;
      pass.update_statistics = false;
      T* dx = input_gradient ? input_gradient + begin * network.inputs() : nullptr;
      team.run(team.size(), [&](kernels::Worker& w) {
        passes.run(w, pass, chunk, static_cast<T>(1 / weight), gradients, begin > 0, dx);
      });
      for (Index i = 0; i < chunk.count; ++i) sum += static_cast<double>(passes.row_losses()[i]);
    }
  });
  add_penalty(network, penalty, gradients);
  return sum / weight + (penalty.active() ? network.penalty(penalty.l1, penalty.l2) : 0.0);
}

#define LAMINA_INSTANTIATE(T)                                                                                         \
  template void fit<T>(Network<T>&, const Samples<T>&, const Samples<T>&, const FitOptions&, OptimizerMemory<T>&,     \
                       History&);                                                                                     \
  template double loss_and_gradients<T>(const Network<T>&, const Samples<T>&, PenaltyStrength, bool, bool, Index, T*,  \
                                        T*);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)
#undef LAMINA_INSTANTIATE

}  // namespace lamina
