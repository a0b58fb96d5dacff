#include "math/schedules.hpp"

#include <algorithm>

#include "kernels/elementary.hpp"

namespace lamina {
namespace schedule {
namespace {

/// Our own exp, log and cos: no C library decides the bits of a rate.
double power(double base, double exponent) {
  using V = simd::Vec<double, 1>;
  return exp(V(exponent * log(V(base))[0]))[0];
}

/// (1 + cos(pi x)) / 2 for x in [0, 1].
double half_cosine(double x) { return (1 + cos(simd::Vec<double, 1>(3.14159265358979323846 * x))[0]) / 2; }

}  // namespace

double Constant::factor(const Progress&) const { return 1; }

double Step::factor(const Progress& p) const { return power(gamma, std::floor(p.whole_epoch() / step_size)); }

double Exponential::factor(const Progress& p) const { return power(gamma, p.whole_epoch()); }

double InverseScaling::factor(const Progress& p) const { return power(static_cast<double>(p.samples + 1), -power_t); }

double Cosine::factor(const Progress& p) const {
  double at = p.epoch, length = period > 0 ? period : p.epochs;
  while (period > 0 && at >= length) {
    at -= length;
    length *= growth;
  }
  return floor + (1 - floor) * half_cosine(length > 0 ? std::fmin(1.0, at / length) : 0);
}

double OneCycle::factor(const Progress& p) const {
  const double u = p.share(), first = 1 / div, last = first / final_div;
  if (u < warm) return 1 + (first - 1) * half_cosine(u / warm);
  return last + (1 - last) * half_cosine(std::fmin(1.0, (u - warm) / (1 - warm)));
}

void Warmup::check() const {
  if (then.schedule) std::visit([](const auto& s) { check_fields(s); }, then.schedule->value);
}

double Warmup::factor(const Progress& p) const {
  if (p.epoch < epochs) return start + (1 - start) * p.epoch / epochs;
  if (!then.schedule) return 1;
  Progress rest = p;
  rest.epoch = p.epoch - epochs;
  rest.epochs = std::max(p.epochs - epochs, 0.0);
  return factor_of(then.schedule->value, rest);
}

double Custom::factor(const Progress& p) const { return function->factor(p); }

}  // namespace schedule

double factor_of(const Schedule& schedule, const Progress& progress) {
  const double factor = std::visit([&](const auto& s) { return s.factor(progress); }, schedule);
  if (std::isfinite(factor) && factor >= 0) return factor;
  std::ostringstream s;
  s << "schedule must give a finite factor of at least 0; got ";
  if (std::isnan(factor)) s << "nan";
  else s << factor;
  s << " at epoch " << progress.epoch;
  throw std::invalid_argument(s.str());
}

double PlateauWatch::rate_after(double loss, double rate) {
  if (loss < best_ - rule_.min_delta) {
    best_ = loss;
    waited_ = 0;
  } else if (++waited_ >= rule_.patience) {
    waited_ = 0;
    return std::max(rate * rule_.factor, rule_.min_lr);
  }
  return rate;
}

}  // namespace lamina
