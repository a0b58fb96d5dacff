#include "train/lbfgs.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <utility>

#include "kernels/reduce.hpp"
#include "train/penalty.hpp"

namespace lamina {

using kernels::dot;

template <class T>
void CurvaturePairs<T>::add(const Vector<const T>& w0, const Vector<const T>& g0, const Vector<const T>& w,
                            const Vector<const T>& g) {
  if (spare_.s.empty()) spare_ = {Arena<T>(w.size()), Arena<T>(w.size())};
  Vector<T> s = spare_.s.vector(), y = spare_.y.vector();
  s = w - w0;
  y = g - g0;
  const double sy = dot(s, y);
  if (sy > 2.2e-16 * std::abs(dot(s, g0)) && sy > 0 && dot(y, y) > 0) push(std::move(spare_));
}

template <class T> void CurvaturePairs<T>::push(Pair pair) {
  const Vector<const T> s = std::as_const(pair.s).vector(), y = std::as_const(pair.y).vector();
  pair.sy = dot(s, y);
  scale_ = pair.sy / dot(y, y);
  pairs_.push_back(std::move(pair));
  if (static_cast<Index>(pairs_.size()) <= most_) return;
  spare_ = std::move(pairs_.front());
  pairs_.pop_front();
}

template <class T> void CurvaturePairs<T>::keep(FitState<T>& state) const {
  for (std::size_t i = 0; i < pairs_.size(); ++i) {
    state.keep("s." + std::to_string(i), pairs_[i].s);
    state.keep("y." + std::to_string(i), pairs_[i].y);
  }
}

template <class T> void CurvaturePairs<T>::go_on(const FitState<T>& state, Index n) {
  for (Index i = 0; state.has("s." + std::to_string(i)); ++i)
    push({state.array("s." + std::to_string(i), n), state.array("y." + std::to_string(i), n)});
}

template <class T> void CurvaturePairs<T>::apply(Vector<T> v) {
  if (empty()) return;
  for (auto p = pairs_.rbegin(); p != pairs_.rend(); ++p) {
    p->alpha = dot(p->s.vector(), v) / p->sy;
    v -= static_cast<T>(p->alpha) * p->y.vector();
  }
  v *= static_cast<T>(scale_);
  for (const Pair& p : pairs_) {
    const double beta = dot(p.y.vector(), v) / p.sy;
    v += static_cast<T>(p.alpha - beta) * p.s.vector();
  }
}

template <class T>
LbfgsFit<T>::LbfgsFit(const solver::LBFGS& spec, const FitTask<T>& task)
    : spec_(spec),
      task_(task),
      w_(task.network.parameters()),
      state_(task.network.state()),
      passes_(task.network, chunk_rows(task.network, task.train.count, task.train.steps), task.team.size()),
      pairs_(static_cast<Index>(spec.history)),
      gradient_(w_.size()),
      direction_(w_.size()),
      start_(w_),
      start_gradient_(w_.size()),
      start_state_(state_),
      loss_(task.keeper.position().loss) {
  if (const FitState<T>* const from = task.keeper.from()) {
    gradient_.copy_from(from->array("gradient", gradient_.size()));
    pairs_.go_on(*from, w_.size());
  }
}

template <class T> void LbfgsFit<T>::run() {
  const auto epoch = [this](Index e) {
    try {
      iterate(e);
    } catch (...) {
      go_back();  // a trial point is no result
      throw;
    }
  };
  task_.keeper.run(epoch, [this](FitState<T>& state) {
    state.keep("gradient", gradient_);
    pairs_.keep(state);
  });
}

template <class T> void LbfgsFit<T>::begin_here() {
  start_.copy_from(w_);
  start_gradient_.copy_from(gradient_);
  start_state_.copy_from(state_);
}

template <class T> void LbfgsFit<T>::go_back() {
  w_.copy_from(start_);
  gradient_.copy_from(start_gradient_);
  state_.copy_from(start_state_);
}

template <class T> void LbfgsFit<T>::iterate(Index epoch) {
  EpochKeeper<T>& keeper = task_.keeper;
  keeper.begin_step();
  if (epoch == 1) {
    loss_ = evaluate();
    if (!std::isfinite(loss_)) return keeper.diverge(epoch, 1, passes_.first_bad_layer(), loss_, 0);
  }
  if (kernels::first_nonfinite(gradient_.vector()) >= 0)
    return keeper.diverge(epoch, 1, passes_.first_bad_layer(), std::numeric_limits<double>::quiet_NaN(), 0);
  begin_here();
  const double before = loss_, step = flat() ? 0 : search();
  if (step > 0) pairs_.add(start_.vector(), start_gradient_.vector(), w_.vector(), gradient_.vector());
  begin_here();
  keeper.finish(epoch, loss_, step);
  if (flat()) {
    keeper.end("converged: no gradient is larger than tolerance");
  } else if (!may_evaluate()) {
    keeper.end("max_evaluations reached");
  } else if (step == 0) {
    keeper.end("converged: no lower loss is found along the gradient");
  } else if (before - loss_ <= spec_.loss_tolerance * std::max(task_.unit, before)) {
    keeper.end("converged: the loss falls by no more than loss_tolerance");
  }
}

/// One iteration's step length; 0 when there is no lower point, and everything is as it was.
template <class T> double LbfgsFit<T>::search() {
  const bool had_memory = !pairs_.empty();
  double step = search_along_direction();
  if (step == 0 && had_memory) {
    // The memory misleads: steepest descent, as at the beginning.
    pairs_.clear();
    step = search_along_direction();
  }
  return step;
}

template <class T> double LbfgsFit<T>::search_along_direction() {
  Vector<T> d = direction_.vector();
  d = gradient_.vector();
  pairs_.apply(d);
  d = -d;
  const double slope = dot(gradient_.vector(), d), loss = loss_;
  if (!(slope < 0)) return 0;
  const double first = pairs_.empty() ? 1 / std::sqrt(dot(d, d)) : 1;
  LineSearch line(loss_, slope, first);
  double step = 0;
  while (line.wants_more() && may_evaluate()) {
    step = line.step();
    w_.vector() = start_.vector() + static_cast<T>(step) * d;
    loss_ = evaluate();
    line.take(loss_, dot(gradient_.vector(), d));
  }
  // A step cut short by max_evaluations is taken wherever it goes down.
  if ((line.decreased() || !may_evaluate()) && step > 0 && loss_ < loss) return step;
  loss_ = loss;
  go_back();
  return 0;
}

/// Loss and `gradient_` at the network's parameters.
template <class T> double LbfgsFit<T>::evaluate() {
  const Samples<T>& train = task_.train;
  ++task_.history.evaluations;
  state_.copy_from(start_state_);
  const auto poll = [this] { task_.keeper.poll(); };
  const double sum = passes_.run_all(task_.team, task_.team.size(), task_.training_pass(), train, task_.weight,
                                     gradient_.vector(), {}, poll);
  poll();
  add_penalty(task_.network, {0, task_.l2}, gradient_.vector());
  return sum / task_.weight + task_.network.penalty(0, task_.l2);
}

template <class T> bool LbfgsFit<T>::flat() const {
  const double tolerance = spec_.tolerance * std::sqrt(task_.unit);
  return (gradient_.vector().abs().template cast<double>() <= tolerance).all();
}

template class CurvaturePairs<float>;
template class CurvaturePairs<double>;
template class LbfgsFit<float>;
template class LbfgsFit<double>;

}  // namespace lamina
