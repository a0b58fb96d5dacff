#include "train/epochs.hpp"

#include <algorithm>
#include <stdexcept>
#include <utility>

#include "kernels/copy.hpp"
#include "kernels/reduce.hpp"

namespace lamina {

template <class T>
EpochKeeper<T>::EpochKeeper(Network<T>& network, const Samples<T>& validation, const FitOptions& options,
                            History& history, kernels::Team& team, const FitCourse<T>& course)
    : network_(network),
      validation_(validation),
      options_(options),
      history_(history),
      team_(team),
      course_(course),
      best_parameters_(network.parameters()),
      best_state_(network.state()),
      average_(options.average > 0 ? network.parameters() : Arena<T>()),
      poll_(options.poll) {
  if (course.from) {
    const FitState<T>& from = *course.from;
    from.check(network);
    if (from.history.validation_loss.empty() != (validation.count == 0) ||
        from.history.validation_score.empty() != (validation.count == 0 || !options.metric))
      throw std::invalid_argument("the state of the fit is one of other validation samples, or of another metric");
    at_ = from.position;
    best_parameters_.copy_from(from.array("best.parameters", best_parameters_.size()));
    best_state_.copy_from(from.array("best.state", best_state_.size()));
    average_.copy_from(from.array("average", average_.size()));
    start_ -= std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(at_.seconds));
  }
  if (options.plateau) plateau_.emplace(*options.plateau, at_.plateau_best, at_.plateau_waited);
}

template <class T>
void EpochKeeper<T>::run(const std::function<void(Index)>& epoch, const std::function<void(FitState<T>&)>& keep) {
  if (course_.from) go_on();
  try {
    while (at_.epoch < options_.epochs && !at_.stopped) {
      epoch(at_.epoch + 1);
      ++at_.epoch;
      if (!course_.on_state || history_.diverged) continue;
      FitState<T> now = state();
      keep(now);
      course_.on_state(std::move(now));
    }
  } catch (...) {
    history_.stop_reason = "interrupted";
    if (at_.has_best || !interrupted_) restore_best();  // a failed step may have left half of itself
    throw;
  }
  if (history_.diverged || (options_.early_stop && options_.early_stop->restore_best && at_.has_best)) restore_best();
  else swap_average();
}

template <class T> void EpochKeeper<T>::go_on() {
  history_ = course_.from->history;  // from here on nothing throws
  network_.parameters().copy_from(course_.from->array("parameters", network_.parameters().size()));
  network_.state().copy_from(course_.from->array("state", network_.state().size()));
}

template <class T> FitState<T> EpochKeeper<T>::state() const {
  FitState<T> now;
  now.position = at_;
  now.position.seconds = seconds();
  now.history = history_;
  now.normalization = network_.normalization();
  now.target_scale = network_.target_scale();
  now.keep("parameters", network_.parameters());
  now.keep("state", network_.state());
  now.keep("best.parameters", best_parameters_);
  now.keep("best.state", best_state_);
  now.keep("average", average_);
  return now;
}

/// average <- k average + (1 - k) w, k = min(`average`, (1 + t) / (10 + t)) after t steps, so that the first weights
/// are soon forgotten.
template <class T> void EpochKeeper<T>::end_step() {
  if (options_.average > 0) {
    const double t = static_cast<double>(++at_.averaged);
    const auto share = static_cast<T>(1 - std::min(options_.average, (1 + t) / (10 + t)));
    Vector<T> average = average_.vector();
    average += share * (network_.parameters().vector() - average);
  }
  rest();
}

template <class T> void EpochKeeper<T>::swap_average() {
  if (options_.average > 0) network_.parameters().vector().swap(average_.vector());
}

template <class T> std::optional<double> EpochKeeper<T>::finish(Index epoch, double loss, double rate) {
  history_.began = true;
  if (const auto bad = first_nonfinite()) {  // the last step of the epoch: no loss has met it yet
    diverge(epoch, bad->what + (" after the last step of epoch " + std::to_string(epoch)) + " are", 0, bad->layer, loss,
            rate);
    return {};
  }
  // What is validated, shown and kept is the average.
  swap_average();
  struct Back {
    EpochKeeper& keeper;
    ~Back() { keeper.swap_average(); }
  } const back{*this};
  EpochReport report;
  report.epoch = epoch;
  report.loss = loss;
  report.learning_rate = rate;
  report.seconds = seconds();
  if (validation_.count > 0) {
    const Metric* const metric = options_.metric ? &*options_.metric : nullptr;
    const Evaluation held_out = evaluate_samples(network_, team_, validation_, [this] { poll(); }, metric);
    report.validation_loss = held_out.loss;
    history_.validation_loss.push_back(held_out.loss);
    if (metric) {
      report.score = held_out.score;
      history_.validation_score.push_back(held_out.score);
    }
  }
  history_.loss.push_back(loss);
  history_.learning_rate.push_back(rate);
  const bool by_training = options_.early_stop && options_.early_stop->monitor == Monitor::loss;
  const double validated = report.validation_loss.value_or(loss);
  rest();
  const double scored = report.score.value_or(0) * (options_.metric && greater_is_better(*options_.metric) ? -1 : 1);
  watch(epoch, options_.monitor ? options_.monitor(report) : report.score ? scored : by_training ? loss : validated);
  if (options_.on_epoch) options_.on_epoch(report);
  if (report.stop_reason && !at_.ended)
    stop(report.stop_reason->empty() ? "stopped by a callback" : *report.stop_reason);
  if (plateau_) {
    report.learning_rate = plateau_->rate_after(validated, report.learning_rate);
    at_.plateau_best = plateau_->best();
    at_.plateau_waited = plateau_->waited();
  }
  if (report.learning_rate != rate) return report.learning_rate;
  return {};
}

template <class T> std::optional<typename EpochKeeper<T>::NotFinite> EpochKeeper<T>::first_nonfinite() const {
  const Index weight = kernels::first_nonfinite(network_.parameters().vector());
  const Index statistic = weight >= 0 ? -1 : kernels::first_nonfinite(network_.state().vector());
  if (weight < 0 && statistic < 0) return {};
  NotFinite bad{-1, weight >= 0 ? "the weights" : "the running statistics"};
  for (const NamedParameter& p : network_.named_parameters()) {
    if (p.info.trained == (weight >= 0) && p.info.offset <= std::max(weight, statistic)) bad.layer = p.layer;
  }
  return bad;
}

template <class T> void EpochKeeper<T>::diverge(Index epoch, Index batch, Index layer, double loss, double rate) {
  diverge(epoch, "the loss of batch " + std::to_string(batch) + " of epoch " + std::to_string(epoch) + " is", batch,
          layer, loss, rate);
}

template <class T>
void EpochKeeper<T>::diverge(Index epoch, const std::string& what, Index batch, Index layer, double loss, double rate) {
  history_.diverged = true;
  history_.diverged_epoch = epoch;
  history_.diverged_batch = batch;
  history_.diverged_layer = layer;
  history_.loss.push_back(loss);
  history_.learning_rate.push_back(rate);
  constexpr double none = std::numeric_limits<double>::quiet_NaN();
  if (validation_.count > 0) {
    history_.validation_loss.push_back(none);
    if (options_.metric) history_.validation_score.push_back(none);
  }
  stop("diverged: " + what + " not finite" + (layer >= 0 ? ", first in layer " + std::to_string(layer) : ""));
}

template <class T> void EpochKeeper<T>::stop(const std::string& reason) {
  at_.stopped = true;
  history_.stop_reason = reason;
}

template <class T> void EpochKeeper<T>::end(const std::string& reason) {
  if (!at_.ended && !history_.diverged) stop(reason);
  at_.ended = true;
}

template <class T> void EpochKeeper<T>::poll() {
  interrupted_ = true;
  poll_();
  interrupted_ = false;
}

template <class T> void EpochKeeper<T>::watch(Index epoch, double value) {
  const std::optional<EarlyStop>& stopping = options_.early_stop;
  const bool improved = value < at_.last_improved - (at_.has_best && stopping ? stopping->min_delta : 0);
  const bool as_good = stopping && stopping->latest && at_.has_best && value == at_.best_value;
  if (value < at_.best_value || as_good) {  // by however little: what is put back is the best there was
    at_.best_value = value;
    at_.has_best = true;
    history_.best_epoch = epoch;
    kernels::copy<T>(network_.parameters().vector(), best_parameters_.vector());
    best_state_.copy_from(network_.state());
  }
  if (improved) {
    at_.last_improved = value;
    at_.waited = 0;
  } else if (stopping && ++at_.waited >= stopping->patience) {
    end("early stopping: no improvement for " + std::to_string(stopping->patience) + " epochs");
  }
}

template <class T> void EpochKeeper<T>::restore_best() {
  kernels::copy<T>(best_parameters_.vector(), network_.parameters().vector());
  network_.state().copy_from(best_state_);
}

template class EpochKeeper<float>;
template class EpochKeeper<double>;

}  // namespace lamina
