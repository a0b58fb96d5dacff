#include "math/schedules.hpp"

#include <algorithm>

namespace lamina {
namespace schedule {
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
    return std::min(rate, std::max(rate * rule_.factor, rule_.min_lr));  // a rate below min_lr is not raised
  }
  return rate;
}

}  // namespace lamina
