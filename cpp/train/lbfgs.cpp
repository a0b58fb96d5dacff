#include "train/lbfgs.hpp"

#include <algorithm>
#include <cmath>

#include "kernels/reduce.hpp"
#include "train/penalty.hpp"

namespace lamina {
namespace {

template <class T> double dot(const Arena<T>& x, const Arena<T>& y) {
  return kernels::dot(x.data(), y.data(), x.size());
}

/// y += a x
template <class T> void add_multiple(T a, const Arena<T>& x, Arena<T>& y) {
  for (Index i = 0; i < y.size(); ++i) y[i] += a * x[i];
}

/// x - y
template <class T> Arena<T> difference(const Arena<T>& x, const Arena<T>& y) {
  Arena<T> out(x);
  add_multiple(T(-1), y, out);
  return out;
}

}  // namespace

template <class T> void CurvaturePairs<T>::add(Arena<T> s, Arena<T> y, double sy, double yy) {
  if (static_cast<Index>(pairs_.size()) == most_) pairs_.pop_front();
  pairs_.push_back({std::move(s), std::move(y), sy});
  scale_ = sy / yy;
}

template <class T> void CurvaturePairs<T>::apply(Arena<T>& v) const {
  if (empty()) return;
  std::vector<double> projections(pairs_.size());
  for (std::size_t i = pairs_.size(); i-- > 0;) {
    const Pair& p = pairs_[i];
    projections[i] = dot(p.s, v) / p.sy;
    add_multiple(static_cast<T>(-projections[i]), p.y, v);
  }
  for (T& e : v) e *= static_cast<T>(scale_);
  for (std::size_t i = 0; i < pairs_.size(); ++i) {
    const Pair& p = pairs_[i];
    add_multiple(static_cast<T>(projections[i] - dot(p.y, v) / p.sy), p.s, v);
  }
}

template <class T>
LbfgsFit<T>::LbfgsFit(const solver::LBFGS& spec, Network<T>& network, const Samples<T>& train,
                      const FitOptions& options, EpochKeeper<T>& keeper, History& history, kernels::Team& team)
    : spec_(spec),
      network_(network),
      train_(train),
      keeper_(keeper),
      history_(history),
      team_(team),
      weight_(train.weight_sum()),
      penalty_(options.penalty),
      seed_(options.seed),
      passes_(network, chunk_rows(network, train.count, train.steps), team.size()),
      pairs_(static_cast<Index>(spec.history)),
      gradient_(network.parameters().size()),
      direction_(network.parameters().size()),
      start_(network.parameters()),
      start_gradient_(network.parameters().size()),
      start_state_(network.state()) {
  if (options.penalty_per_batch) penalty_.l2 /= weight_;
}

template <class T> void LbfgsFit<T>::run() {
  keeper_.run([this](Index epoch) {
    try {
      iterate(epoch);
    } catch (...) {
      // A trial point is no result.
      network_.parameters().copy_from(start_);
      network_.state().copy_from(start_state_);
      throw;
    }
  });
}

template <class T> void LbfgsFit<T>::iterate(Index epoch) {
  if (epoch == 1) {
    loss_ = evaluate();
    if (!std::isfinite(loss_)) return keeper_.diverge(epoch, 1, passes_.first_bad_layer(), loss_, 0);
  }
  const double before = loss_;
  start_.copy_from(network_.parameters());
  start_gradient_.copy_from(gradient_);
  start_state_.copy_from(network_.state());
  const double step = largest_gradient() > spec_.tolerance ? search() : 0;
  if (step > 0) remember();
  start_.copy_from(network_.parameters());
  start_state_.copy_from(network_.state());
  keeper_.finish(epoch, loss_, step);
  if (keeper_.stopped()) return;
  if (largest_gradient() <= spec_.tolerance) {
    keeper_.stop("converged: no gradient is larger than tolerance");
  } else if (!may_evaluate()) {
    keeper_.stop("max_evaluations reached");
  } else if (step == 0) {
    keeper_.stop("converged: no lower loss is found along the gradient");
  } else if (before - loss_ <= spec_.loss_tolerance * std::max(1.0, before)) {
    keeper_.stop("converged: the loss falls by no more than loss_tolerance");
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
  direction_.copy_from(gradient_);
  pairs_.apply(direction_);
  for (T& d : direction_) d = -d;
  const double slope = dot(gradient_, direction_), loss = loss_;
  if (!(slope < 0)) return 0;
  const double first = pairs_.empty() ? 1 / std::sqrt(dot(direction_, direction_)) : 1;
  LineSearch line(loss_, slope, first);
  double step = 0;
  while (line.wants_more() && may_evaluate()) {
    network_.parameters().copy_from(start_);
    step = line.step();
    add_multiple(static_cast<T>(step), direction_, network_.parameters());
    loss_ = evaluate();
    line.take(loss_, dot(gradient_, direction_));
  }
  // A step cut short by max_evaluations is taken wherever it goes down.
  if ((line.decreased() || !may_evaluate()) && step > 0 && loss_ < loss) return step;
  loss_ = loss;
  network_.parameters().copy_from(start_);
  network_.state().copy_from(start_state_);
  gradient_.copy_from(start_gradient_);
  return 0;
}

template <class T> void LbfgsFit<T>::remember() {
  Arena<T> s = difference(network_.parameters(), start_), y = difference(gradient_, start_gradient_);
  const double sy = dot(s, y), yy = dot(y, y);
  // Without curvature along the step the inverse Hessian would not stay positive definite.
  if (sy > 2.2e-16 * std::abs(dot(s, start_gradient_)) && sy > 0 && yy > 0)
    pairs_.add(std::move(s), std::move(y), sy, yy);
}

/// Loss and `gradient_` at the network's parameters.
template <class T> double LbfgsFit<T>::evaluate() {
  ++history_.evaluations;
  network_.state().copy_from(start_state_);
  double sum = 0;
  for (Index begin = 0; begin < train_.count; begin += passes_.rows()) {
    const Samples<T> chunk = train_.slice(begin, std::min(passes_.rows(), train_.count - begin));
    Pass<T> pass;
    pass.training = true;
    pass.seed = seed_;
    pass.first_row = begin * train_.steps;
    pass.statistics.view(network_.state().vector());
    team_.run(team_.size(), [&](kernels::Worker& w) {
      passes_.run(w, pass, chunk, static_cast<T>(1 / weight_), gradient_.vector(), begin > 0 ? kernels::Store::add : kernels::Store::set);
    });
    sum += passes_.loss_sum();
    keeper_.poll();
  }
  add_penalty(network_, penalty_, gradient_.vector());
  return sum / weight_ + network_.penalty(0, penalty_.l2);
}

template <class T> double LbfgsFit<T>::largest_gradient() const {
  T largest = 0;
  for (const T g : gradient_) largest = std::max(largest, std::abs(g));
  return static_cast<double>(largest);
}

template class CurvaturePairs<float>;
template class CurvaturePairs<double>;
template class LbfgsFit<float>;
template class LbfgsFit<double>;

}  // namespace lamina
