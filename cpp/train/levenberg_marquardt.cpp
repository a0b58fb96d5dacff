#include "train/levenberg_marquardt.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "kernels/reduce.hpp"
#include "train/penalty.hpp"

namespace lamina {
namespace {

constexpr Index samples_at_once = 64;

double size_of(const Arena<double>& d) { return std::sqrt(kernels::dot(d.data(), d.data(), d.size())); }

}  // namespace

template <class T>
LevenbergMarquardtFit<T>::LevenbergMarquardtFit(const solver::LevenbergMarquardt& spec, Network<T>& network,
                                                const Samples<T>& train, const FitOptions& options,
                                                EpochKeeper<T>& keeper, History& history, kernels::Team& team)
    : spec_(spec),
      network_(network),
      train_(train),
      keeper_(keeper),
      history_(history),
      team_(team),
      n_(network.parameters().size()),
      weight_(train.weight_sum()),
      l2_(options.penalty_per_batch ? options.penalty.l2 / weight_ : options.penalty.l2),
      seed_(options.seed),
      rows_(samples_at_once * network.outputs() * n_),
      jacobian_(samples_at_once * network.outputs() * n_),
      residuals_(samples_at_once * network.outputs()),
      normal_(n_ * n_),
      factor_(n_ * n_),
      gradient_(n_),
      change_(n_),
      l2_of_(n_),
      turned_(n_),
      start_(n_) {
  for (Index i = 0; i < team.size(); ++i) passes_.emplace_back(network, 1, 1);
  for (const Segment& s : segments_of(network)) {
    if (s.is_weight) std::fill(l2_of_.begin() + s.range.begin, l2_of_.begin() + s.range.end, l2_);
  }
}

template <class T> void LevenbergMarquardtFit<T>::run() {
  keeper_.run([this](Index epoch) {
    start_.copy_from(network_.parameters());
    try {
      iterate(epoch);
    } catch (...) {
      network_.parameters().copy_from(start_);  // a trial point is no result
      throw;
    }
  });
}

template <class T> void LevenbergMarquardtFit<T>::iterate(Index epoch) {
  if (epoch == 1) {
    loss_ = evaluate();
    if (!std::isfinite(loss_)) return keeper_.diverge(epoch, 1, -1, loss_, damping_);
    if (spec_.max_evaluations == 1) {
      keeper_.finish(epoch, loss_, damping_);
      return keeper_.stop("max_evaluations reached");
    }
  }
  linearize();
  const auto is_small = [&](double g) { return std::abs(g) <= spec_.tolerance; };
  if (std::all_of(gradient_.begin(), gradient_.end(), is_small)) {
    keeper_.finish(epoch, loss_, damping_);
    return keeper_.stop("converged: no gradient is larger than tolerance");
  }
  const double before = loss_;
  const double weights_size = std::sqrt(kernels::sum_of_squares(start_.vector()));
  if (first_) radius_ = spec_.radius * (weights_size > 0 ? weights_size : 1);
  std::string stop;
  for (bool accepted = false; !accepted && stop.empty();) {
    keeper_.poll();
    const bool found = find_step();
    const double size = size_of(change_);
    if (first_) radius_ = std::min(radius_, size);
    first_ = false;
    T* const w = network_.parameters().data();
    for (Index i = 0; i < n_; ++i) w[i] = static_cast<T>(static_cast<double>(start_[i]) + change_[i]);
    loss_ = found ? evaluate() : before;
    double slope = 0;
    for (Index i = 0; i < n_; ++i) slope += gradient_[i] * change_[i];
    // The quadratic model's gain, -g'd - d'(J'J)d / 2, where (J'J + mu I) d = -g.
    const double expected = 0.5 * (damping_ * size * size - slope);
    const double gain = std::isfinite(loss_) ? before - loss_ : -before;
    const double ratio = found && expected > 0 ? gain / expected : 0;
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
    accepted = ratio >= 1e-4;
    if (std::max(std::abs(gain), expected) <= spec_.loss_tolerance * before) {
      stop = "converged: the loss falls by no more than loss_tolerance";
    } else if (radius_ <= spec_.loss_tolerance * weights_size) {
      stop = "converged: steps are no longer than loss_tolerance times the weights";
    } else if (history_.evaluations >= spec_.max_evaluations) {
      stop = "max_evaluations reached";
    }
    if (!accepted && !(loss_ < before)) {
      network_.parameters().copy_from(start_);
      loss_ = before;
    }
  }
  keeper_.finish(epoch, loss_, damping_);
  if (!stop.empty() && !keeper_.stopped()) keeper_.stop(stop);
}

/// J'J and J'r at the network's parameters: every element is one sum over the rows, in order, whoever computes it.
template <class T> void LevenbergMarquardtFit<T>::linearize() {
  normal_.fill_zero();
  gradient_.fill_zero();
  for (Index begin = 0; begin < train_.count; begin += samples_at_once) {
    linearize_rows({begin, std::min(train_.count, begin + samples_at_once)});
    keeper_.poll();
  }
  for (Index i = 0; i < n_; ++i) {
    normal_[i * n_ + i] += 2 * l2_of_[i];
    gradient_[i] += 2 * l2_of_[i] * static_cast<double>(network_.parameters()[i]);
  }
}

template <class T> void LevenbergMarquardtFit<T>::linearize_rows(Range samples) {
  const Index outputs = network_.outputs(), count = samples.size() * outputs;
  team_.run(team_.size(), [&](kernels::Worker& w) {
    const Range mine = w.share(samples.size());
    Pass<T> pass;
    pass.training = true;
    pass.seed = seed_;
    TrainingPass<T>& own = passes_[static_cast<std::size_t>(w.id)];
    for (Index i = mine.begin; i < mine.end; ++i) {
      const Samples<T> one = train_.slice(samples.begin + i, 1);
      const Index row = one.sample(0);
      const double weight = (one.weights.empty() ? 1.0 : static_cast<double>(one.weights[row])) / weight_;
      const double root = std::sqrt(weight);
      const Vector<const T> y = own.jacobian(pass, one, {rows_.data() + i * outputs * n_, outputs, n_});
      for (Index j = 0; j < outputs; ++j) {
        const Index at = i * outputs + j;
        residuals_[at] = root * (static_cast<double>(y[j]) - static_cast<double>(one.y.values(row, j)));
        for (Index p = 0; p < n_; ++p) jacobian_[at * n_ + p] = root * static_cast<double>(rows_[at * n_ + p]);
      }
    }
    w.barrier();
    const Range own_rows = w.share(n_, 8);
    kernels::PackBuffer<double> buffer;
    kernels::multiply<double>({own_rows.size(), n_, count, {jacobian_.data() + own_rows.begin, 1, n_},
                             {jacobian_.data(), n_, 1}, normal_.data() + own_rows.begin * n_, n_, true}, buffer);
    for (Index at = 0; at < count; ++at) {
      for (Index p = own_rows.begin; p < own_rows.end; ++p) gradient_[p] += jacobian_[at * n_ + p] * residuals_[at];
    }
  });
}

/// Cholesky's factor of J'J + damping I; false where that is not positive definite.
template <class T> bool LevenbergMarquardtFit<T>::factorize(double damping) {
  double* const l = factor_.data();
  for (Index i = 0; i < n_; ++i) {
    keeper_.poll();
    for (Index j = 0; j <= i; ++j) {
      const double a = normal_[i * n_ + j] + (i == j ? damping : 0.0);
      const double rest = a - kernels::dot(l + i * n_, l + j * n_, j);
      if (i != j) l[i * n_ + j] = rest / l[j * n_ + j];
      else if (rest > 1e-14 * a && std::isfinite(rest)) l[i * n_ + i] = std::sqrt(rest);
      else return false;
    }
  }
  return true;
}

/// change_ = -(L L')^-1 g.
template <class T> void LevenbergMarquardtFit<T>::solve() {
  const double* const l = factor_.data();
  for (Index i = 0; i < n_; ++i) {
    change_[i] = (-gradient_[i] - kernels::dot(l + i * n_, change_.data(), i)) / l[i * n_ + i];
  }
  for (Index i = n_; i-- > 0;) {
    change_[i] /= l[i * n_ + i];
    for (Index j = 0; j < i; ++j) change_[j] -= l[i * n_ + j] * change_[i];
  }
}

/// change_ and the damping_ that gives it: Newton's step where that is within the radius, else one whose size is the
/// radius to a tenth (More's section 5). False where no damping makes the equations positive definite.
template <class T> bool LevenbergMarquardtFit<T>::find_step() {
  constexpr int most_turns = 10;
  double low = 0, high = 0;
  for (Index i = 0; i < n_; ++i) high += gradient_[i] * gradient_[i];
  high = std::sqrt(high) / radius_;
  // The slope of ||d|| over the damping is -||L^-1 d||^2 / ||d||.
  const auto slope = [&](double size) {
    const double* const l = factor_.data();
    double sum = 0;
    for (Index i = 0; i < n_; ++i) {
      turned_[i] = (change_[i] - kernels::dot(l + i * n_, turned_.data(), i)) / l[i * n_ + i];
      sum += turned_[i] * turned_[i];
    }
    return -sum / size;
  };
  if (factorize(0)) {
    solve();
    const double size = size_of(change_);
    if (size <= 1.1 * radius_) {
      damping_ = 0;
      return true;
    }
    low = (radius_ - size) / slope(size);
  }
  damping_ = std::clamp(damping_, low, std::max(low, high));
  for (int turn = 0; turn < most_turns; ++turn) {
    if (damping_ == 0) damping_ = std::max(1e-300, 1e-3 * high);
    while (!factorize(damping_)) {
      if (!(damping_ < 1e30)) return false;
      damping_ *= 10;
    }
    solve();
    const double size = size_of(change_), excess = size - radius_;
    if (std::abs(excess) <= 0.1 * radius_) return true;
    if (excess > 0) low = std::max(low, damping_);
    else high = std::min(high, damping_);
    damping_ = std::max(low, damping_ - size / radius_ * excess / slope(size));
  }
  return true;
}

template <class T> double LevenbergMarquardtFit<T>::evaluate() {
  ++history_.evaluations;
  return evaluate_samples(network_, team_, train_) + network_.penalty(0, l2_);
}

template class LevenbergMarquardtFit<float>;
template class LevenbergMarquardtFit<double>;

}  // namespace lamina
