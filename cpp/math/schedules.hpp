/// Learning-rate schedules: one struct each, then the list. A schedule gives the factor that multiplies the optimizer's
/// rate, as a function of how far training is. Shapes follow scikit-learn's, PyTorch's and Keras's schedules. Who wants
/// a factor calls `factor_of`, and not a formula: it is compiled with the core of the machine's level, so that a factor
/// has the same bits whoever asks for it.
#pragma once

#include <cmath>
#include <cstdint>
#include <limits>
#include <memory>

#include "core/registry.hpp"
#include "kernels/elementary.hpp"
#include "math/custom.hpp"

namespace lamina {

/// How far training is: `share` is the part done of the run.
struct Progress : Entry {
  static constexpr const char* name = "Progress";
  double epoch = 0;
  double epochs = 1;
  std::int64_t step = 0, samples = 0;
  static constexpr auto fields() {
    return std::tuple{Field{"epoch", &Progress::epoch, "epochs done, with a fraction within the epoch"},
                      Field{"epochs", &Progress::epochs, "epochs of the whole run"},
                      Field{"step", &Progress::step, "steps taken so far"},
                      Field{"samples", &Progress::samples, "samples seen in whole epochs so far"}};
  }
  double share() const { return epochs > 0 ? epoch / epochs : 0; }
  double whole_epoch() const { return std::floor(epoch); }
};

namespace schedule {

/// (1 + cos(pi x)) / 2 for x in [0, 1]; our own cos: no C library decides the bits of a rate.
inline double half_cosine(double x) { return (1 + cos(simd::Vec<double, 1>(3.14159265358979323846 * x))[0]) / 2; }

struct Constant : Entry {
  static constexpr const char* name = "Constant";
  static constexpr const char* formula = "1";
  static constexpr const char* source = "course notes, w(k+1) = w(k) - mu grad";
  double factor(const Progress&) const { return 1; }
};

struct Step : Entry {
  static constexpr const char* name = "Step";
  static constexpr const char* formula = "gamma^floor(epoch / step_size)";
  static constexpr const char* source = "PyTorch documentation, StepLR";
  double step_size = 10, gamma = 0.1;
  static constexpr auto fields() {
    return std::tuple{Field{"step_size", &Step::step_size, "epochs between drops", Bounds::at_least(1)},
                      Field{"gamma", &Step::gamma, "factor of a drop", Bounds::above(0)}};
  }
  double factor(const Progress& p) const { return simd::power(gamma, std::floor(p.whole_epoch() / step_size)); }
};

struct Exponential : Entry {
  static constexpr const char* name = "Exponential";
  static constexpr const char* formula = "gamma^epoch";
  static constexpr const char* source = "PyTorch documentation, ExponentialLR";
  double gamma = 0.95;
  static constexpr auto fields() {
    return std::tuple{Field{"gamma", &Exponential::gamma, "factor an epoch", Bounds::above(0)}};
  }
  double factor(const Progress& p) const { return simd::power(gamma, p.whole_epoch()); }
};

struct InverseScaling : Entry {
  static constexpr const char* name = "InverseScaling";
  static constexpr const char* formula = "1 / (t + 1)^power_t, t the samples seen in whole epochs";
  static constexpr const char* source = "scikit-learn documentation, learning_rate='invscaling'";
  double power_t = 0.5;
  static constexpr auto fields() {
    return std::tuple{Field{"power_t", &InverseScaling::power_t, "exponent of the decay"}};
  }
  double factor(const Progress& p) const { return simd::power(static_cast<double>(p.samples + 1), -power_t); }
};

struct Polynomial : Entry {
  static constexpr const char* name = "Polynomial";
  static constexpr const char* formula = "end + (1 - end) (1 - u)^power, u the part done of the run";
  static constexpr const char* source = "PyTorch documentation, PolynomialLR; Keras documentation, PolynomialDecay";
  double power = 1, end = 0;
  static constexpr auto fields() {
    return std::tuple{Field{"power", &Polynomial::power, "exponent; 1: a straight line", Bounds::above(0)},
                      Field{"end", &Polynomial::end, "last factor", Bounds::within(0, 1)}};
  }
  double factor(const Progress& p) const { return end + (1 - end) * simd::power(std::fmax(0.0, 1 - p.share()), power); }
};

struct Cosine : Entry {
  static constexpr const char* name = "Cosine";
  static constexpr const char* formula = "floor + (1 - floor) (1 + cos(pi u)) / 2, u the part done of the period";
  static constexpr const char* source = "arXiv 1608.03983 (SGDR)";
  double period = 0, growth = 1, floor = 0;
  static constexpr auto fields() {
    return std::tuple{
        Field{"period", &Cosine::period, "epochs to the first restart; 0: the whole run", Bounds::at_least(0)},
        Field{"growth", &Cosine::growth, "factor of the period at each restart", Bounds::at_least(1)},
        Field{"floor", &Cosine::floor, "least factor", Bounds::within(0, 1)}};
  }
  double factor(const Progress& p) const {
    double at = p.epoch, length = period > 0 ? period : p.epochs;
    while (period > 0 && at >= length) {
      at -= length;
      length *= growth;
    }
    return floor + (1 - floor) * half_cosine(length > 0 ? std::fmin(1.0, at / length) : 0);
  }
};

struct OneCycle : Entry {
  static constexpr const char* name = "OneCycle";
  static constexpr const char* formula =
      "from 1 / div up to 1 over the first warm part, then down to 1 / (div final_div)";
  static constexpr const char* source = "arXiv 1708.07120; PyTorch documentation, OneCycleLR";
  double warm = 0.3, div = 25, final_div = 1e4;
  static constexpr auto fields() {
    return std::tuple{Field{"warm", &OneCycle::warm, "part of the run that rises", Bounds::between(0, 1)},
                      Field{"div", &OneCycle::div, "peak over first rate", Bounds::at_least(1)},
                      Field{"final_div", &OneCycle::final_div, "first over last rate", Bounds::at_least(1)}};
  }
  double factor(const Progress& p) const {
    const double u = p.share(), first = 1 / div, last = first / final_div;
    if (u < warm) return 1 + (first - 1) * half_cosine(u / warm);
    return last + (1 - last) * half_cosine(std::fmin(1.0, (u - warm) / (1 - warm)));
  }
};

struct CosLog : Entry {
  static constexpr const char* name = "CosLog";
  static constexpr const char* formula =
      "(1 - cos(2 pi log2(1 + (2^cycles - 1) u))) / 2, u the part done of the run: so many waves, each half as long as "
      "the next";
  static constexpr const char* source = "arXiv 2407.04491, coslog4";
  double cycles = 4;
  static constexpr auto fields() {
    return std::tuple{Field{"cycles", &CosLog::cycles, "waves in the run", Bounds::between(0, 64)}};
  }
  double factor(const Progress& p) const {
    const double u = std::fmin(1.0, p.share()), grown = 1 + (simd::power(2, cycles) - 1) * u;
    const double waves = log(simd::Vec<double, 1>(grown))[0] / 0.693147180559945309417;
    return 1 - half_cosine(2 * waves);
  }
};

struct FlatCosine : Entry {
  static constexpr const char* name = "FlatCosine";
  static constexpr const char* formula =
      "1, then from the part `flat` of the run on (1 + cos(pi v)) / 2, v the part done of the rest";
  static constexpr const char* source = "arXiv 2407.04491, flat_cos";
  double flat = 0.5;
  static constexpr auto fields() {
    return std::tuple{Field{"flat", &FlatCosine::flat, "part of the run at 1", Bounds::from_below(0, 1)}};
  }
  double factor(const Progress& p) const {
    return half_cosine(std::fmin(1.0, std::fmax(0.0, (p.share() - flat) / (1 - flat))));
  }
};

struct AnySchedule;

/// A schedule within another one; null: the full rate.
struct Then {
  std::shared_ptr<const AnySchedule> schedule;
};

struct Warmup : Entry {
  static constexpr const char* name = "Warmup";
  static constexpr const char* formula =
      "start + (1 - start) epoch / epochs, then what follows, counted from the end of the rise";
  static constexpr const char* source = "arXiv 1706.02677, gradual warm-up";
  static constexpr int required = 1;
  double epochs = 1;
  Then then;
  double start = 0;
  static constexpr auto fields() {
    return std::tuple{Field{"epochs", &Warmup::epochs, "how long the rise takes", Bounds::above(0)},
                      Field{"then", &Warmup::then, "schedule or callable that follows; None: the full rate"},
                      Field{"start", &Warmup::start, "first factor", Bounds::within(0, 1)}};
  }
  void check() const;
  double factor(const Progress& p) const;
};

/// A schedule from outside.
struct Custom : Entry {
  static constexpr const char* name = "Custom";
  static constexpr const char* formula = "as given";
  static constexpr const char* source = "the caller";
  static constexpr bool listed = false;
  std::shared_ptr<const CustomSchedule> function;
  double factor(const Progress& p) const;
};

/// Not a function of progress, so not in the list: it looks at the losses, as `PlateauWatch`.
struct ReduceOnPlateau : Entry {
  static constexpr const char* name = "ReduceOnPlateau";
  static constexpr const char* formula =
      "rate <- min(rate, max(factor rate, min_lr)) after `patience` epochs without improvement";
  static constexpr const char* source = "PyTorch documentation, ReduceLROnPlateau; Keras documentation";
  double factor = 0.1;
  std::int64_t patience = 5;
  double min_delta = 0, min_lr = 0;
  static constexpr auto fields() {
    return std::tuple{
        Field{"factor", &ReduceOnPlateau::factor, "factor of a cut", Bounds::between(0, 1)},
        Field{"patience", &ReduceOnPlateau::patience, "epochs without improvement before a cut", Bounds::at_least(1)},
        Field{"min_delta", &ReduceOnPlateau::min_delta, "an improvement is a fall by more than this",
              Bounds::at_least(0)},
        Field{"min_lr", &ReduceOnPlateau::min_lr, "the rate is never cut below this", Bounds::at_least(0)}};
  }
};

}  // namespace schedule

/// Every schedule that is a function of progress alone.
using Schedule = std::variant<schedule::Constant, schedule::Step, schedule::Exponential, schedule::InverseScaling,
                              schedule::Polynomial, schedule::Cosine, schedule::OneCycle, schedule::CosLog,
                              schedule::FlatCosine, schedule::Warmup, schedule::Custom>;

struct schedule::AnySchedule {
  Schedule value;
};

/// The factor of a schedule. Throws std::invalid_argument where it is not finite or below 0.
double factor_of(const Schedule& schedule, const Progress& progress);

/// ReduceOnPlateau in the course of one fit.
class PlateauWatch {
 public:
  using Rule = schedule::ReduceOnPlateau;
  /// From the beginning, or from what another one has come to.
  explicit PlateauWatch(const Rule& rule, double best = std::numeric_limits<double>::infinity(),
                        std::int64_t waited = 0)
      : rule_(rule), best_(best), waited_(waited) {}
  /// The learning rate to go on with after an epoch at `rate` that ended with the watched `loss`.
  double rate_after(double loss, double rate);
  double best() const { return best_; }
  std::int64_t waited() const { return waited_; }

 private:
  Rule rule_;
  double best_;
  std::int64_t waited_;
};

}  // namespace lamina
