#include "train/levenberg_marquardt.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "kernels/reduce.hpp"
#include "train/penalty.hpp"
#include "train/segments.hpp"

namespace lamina {
namespace {

using kernels::dot;

constexpr Index samples_at_once = 64;

double norm(const Vector<const double>& v) { return std::sqrt(dot(v, v)); }

}  // namespace

template <class T>
LevenbergMarquardtFit<T>::LevenbergMarquardtFit(const solver::LevenbergMarquardt& spec, const FitTask<T>& task)
    : spec_(spec),
      task_(task),
      n_(task.network.parameters().size()),
      w_(task.network.parameters()),
      jacobian_(samples_at_once * task.network.outputs() * n_),
      residuals_(samples_at_once * task.network.outputs()),
      normal_(n_ * n_),
      gradient_(n_),
      cholesky_(n_),
      step_(n_),
      half_solved_(n_),
      l2_(n_),
      start_(n_),
      damping_(task.keeper.position().damping),
      radius_(task.keeper.position().radius),
      loss_(task.keeper.position().loss) {
  for (Index i = 0; i < task.team.size(); ++i) workers_.emplace_back(task.network);
  for (const Segment& s : segments_of(task.network)) {
    if (s.is_weight) l2_.vector().at(s.range).setConstant(task.l2);
  }
}

template <class T> void LevenbergMarquardtFit<T>::run() {
  const auto epoch = [this](Index e) {
    start_.copy_from(w_);
    try {
      iterate(e);
    } catch (...) {
      w_.copy_from(start_);  // a trial point is no result
      throw;
    }
  };
  task_.keeper.run(epoch, [](FitState<T>&) {});
}

template <class T> void LevenbergMarquardtFit<T>::iterate(Index epoch) {
  EpochKeeper<T>& keeper = task_.keeper;
  keeper.begin_step();
  if (epoch == 1) {
    loss_ = evaluate();
    if (!std::isfinite(loss_)) return keeper.diverge(epoch, 1, -1, loss_, damping_);
    if (spec_.max_evaluations == 1) {
      keeper.finish(epoch, loss_, damping_);
      return keeper.end("max_evaluations reached");
    }
  }
  linearize();
  const Vector<const double> g = gradient_.vector(), d = step_.vector();
  if ((g.abs() <= spec_.tolerance * std::sqrt(task_.unit)).all()) {
    keeper.finish(epoch, loss_, damping_);
    return keeper.end("converged: no gradient is larger than tolerance");
  }
  const double before = loss_, weights_size = std::sqrt(kernels::sum_of_squares(start_.vector()));
  if (epoch == 1) radius_ = spec_.radius * (weights_size > 0 ? weights_size : 1);
  std::string stop;
  for (bool accepted = false, first = epoch == 1; !accepted && stop.empty(); first = false) {
    keeper.poll();
    const bool found = find_step();
    const double size = norm(d);
    if (first) radius_ = std::min(radius_, size);
    w_.vector() = (start_.vector().template cast<double>() + d).template cast<T>();
    loss_ = found ? evaluate() : before;
    const double slope = dot(g, d);
    // The quadratic model's gain, -g'd - d'(J'J)d / 2, where (J'J + mu I) d = -g.
    const double expected = 0.5 * (damping_ * size * size - slope);
    const double gain = std::isfinite(loss_) ? before - loss_ : -before;
    const double ratio = found && expected > 0 ? gain / expected : 0;
    follow(ratio, gain, slope, size);
    accepted = ratio >= 1e-4;
    if (std::max(std::abs(gain), expected) <= spec_.loss_tolerance * before) {
      stop = "converged: the loss falls by no more than loss_tolerance";
    } else if (radius_ <= spec_.loss_tolerance * weights_size) {
      stop = "converged: steps are no longer than loss_tolerance times the weights";
    } else if (task_.history.evaluations >= spec_.max_evaluations) {
      stop = "max_evaluations reached";
    }
    if (!accepted && !(loss_ < before)) {
      w_.copy_from(start_);
      loss_ = before;
    }
  }
  keeper.finish(epoch, loss_, damping_);
  if (!stop.empty()) keeper.end(stop);
}

/// Radius and damping after a step of this size: `ratio` is its gain over the quadratic model's.
template <class T> void LevenbergMarquardtFit<T>::follow(double ratio, double gain, double slope, double size) {
  if (ratio <= 0.25) {
    // The parabola through both losses and the slope tells how much shorter; within [1/10, 1/2].
    const double shorter = gain >= 0 ? 0.5 : 0.5 * slope / (slope + gain);
    const double factor = std::isfinite(shorter) ? std::clamp(shorter, 0.1, 0.5) : 0.1;
    radius_ = factor * std::min(radius_, 10 * size);
    damping_ /= factor;
  } else if (damping_ == 0 || ratio >= 0.75) {
    radius_ = 2 * size;
    damping_ /= 2;
  }
}

/// J'J and J'r at the network's parameters: every element is one sum over the rows, in order, whoever computes it.
template <class T> void LevenbergMarquardtFit<T>::linearize() {
  const Index count = task_.train.count;
  normal_.fill_zero();
  gradient_.fill_zero();
  for (Index begin = 0; begin < count; begin += samples_at_once) {
    linearize_samples({begin, std::min(count, begin + samples_at_once)});
    task_.keeper.poll();
  }
  gradient_.vector() += 2 * l2_.vector() * w_.vector().template cast<double>();
  for (Index i = 0; i < n_; ++i) normal()(i, i) += 2 * l2_[i];
}

template <class T> void LevenbergMarquardtFit<T>::linearize_samples(Range samples) {
  const Samples<T>& train = task_.train;
  const Index outputs = task_.network.outputs(), count = samples.size() * outputs;
  const Matrix<double> jacobian(jacobian_.data(), count, n_);
  task_.team.run(task_.team.size(), [&](kernels::Worker& w) {
    Worker& own = workers_[static_cast<std::size_t>(w.id)];
    const Matrix<T> rows(own.rows.data(), outputs, n_);
    const Range mine = w.share(samples.size());
    for (Index i = mine.begin; i < mine.end; ++i) {
      const Samples<T> one = train.slice(samples.begin + i, 1);
      const Index sample = one.sample(0);
      const double weight = one.weights.empty() ? 1.0 : static_cast<double>(one.weights(sample));
      const double root = std::sqrt(weight / task_.weight);
      const Vector<const T> y = own.pass.jacobian(task_.training_pass(), one, rows);
      one.targets(task_.network.target_scale()).load(0, outputs, own.target.data());
      const Vector<const T> t = own.target.vector();
      const Range at{i * outputs, (i + 1) * outputs};
      residuals_.vector().at(at) = root * (y.template cast<double>() - t.template cast<double>());
      jacobian.at_rows(at) = root * rows.template cast<double>();
    }
    w.barrier();
    const Range part = w.share(n_, 8);
    const Matrix<const double> columns = jacobian.at_columns(part);
    kernels::product(columns.transpose(), jacobian, normal().at_rows(part), own.buffer, kernels::Store::add);
    for (Index i = 0; i < count; ++i) gradient_.vector().at(part) += residuals_[i] * columns.row(i);
  });
}

/// The step and the damping that gives it: Newton's step where that is within the radius, else one whose size is the
/// radius to a tenth (Moré's section 5). False where no damping makes the equations positive definite.
template <class T> bool LevenbergMarquardtFit<T>::find_step() {
  constexpr int most_tries = 10;
  const auto factorize = [this](double damping) {
    return cholesky_.factorize(normal(), damping, [this] { task_.keeper.poll(); });
  };
  // The step's size with the factor there is.
  const auto solve = [this] {
    step_.vector() = -gradient_.vector();
    cholesky_.solve(step_.vector());
    return norm(step_.vector());
  };
  // Its derivative by the damping, -||L^-1 d||^2 / ||d||.
  const auto derivative = [this](double size) {
    half_solved_.copy_from(step_);
    cholesky_.solve_lower(half_solved_.vector());
    return -dot(half_solved_.vector(), half_solved_.vector()) / size;
  };
  double low = 0, high = norm(gradient_.vector()) / radius_;
  if (factorize(0)) {
    const double size = solve();
    if (size <= 1.1 * radius_) {
      damping_ = 0;
      return true;
    }
    low = (radius_ - size) / derivative(size);
  }
  damping_ = std::clamp(damping_, low, std::max(low, high));
  for (int i = 0; i < most_tries; ++i) {
    if (damping_ == 0) damping_ = std::max(1e-300, 1e-3 * high);
    while (!factorize(damping_)) {
      if (!(damping_ < 1e30)) return false;
      damping_ *= 10;
    }
    const double size = solve(), excess = size - radius_;
    if (std::abs(excess) <= 0.1 * radius_) return true;
    if (excess > 0) low = std::max(low, damping_);
    else high = std::min(high, damping_);
    damping_ = std::max(low, damping_ - size / radius_ * excess / derivative(size));
  }
  return true;
}

template <class T> double LevenbergMarquardtFit<T>::evaluate() {
  ++task_.history.evaluations;
  const auto poll = [this] { task_.keeper.poll(); };
  return evaluate_samples<T>(task_.network, task_.team, task_.train, poll).loss + task_.network.penalty(0, task_.l2);
}

template class LevenbergMarquardtFit<float>;
template class LevenbergMarquardtFit<double>;

}  // namespace lamina
