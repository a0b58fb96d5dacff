#include "train/cascade.hpp"

#include <atomic>
#include <cmath>
#include <limits>
#include <stdexcept>

#include "core/poll.hpp"
#include "core/random.hpp"
#include "kernels/threads.hpp"
#include "train/cascade_unit.hpp"

namespace lamina {
namespace {

using namespace cascade;
using kernels::Team;
using kernels::Worker;

template <class T> struct Candidate {
  Arena<T> w;
  Arena<double> covariance;  ///< over the deviation of its activations, if that is above 1
  double deviation = 1;
  double score = -1;  ///< S / sum E^2 at its best
  Index epochs = 0;
};

/// A set as growth sees it: a row for each source and each target, a column for each pattern.
template <class T> struct Patterns {
  /// With room for `units` sources beside the inputs. What a target's row is padded with is what an output of no
  /// sources gives, so that it is no misfit.
  Patterns(const CascadeSet<T>& set, Index units, T padding)
      : count(set.x.rows()),
        sources(1 + set.x.cols() + units, count),
        targets(set.t.cols(), count),
        t(targets.top(set.t.cols())) {
    load_sources<T>(set.x, sources.top(1 + set.x.cols()));
    t = padding;
    t.at_columns({0, count}) = set.t.transpose();
  }
  Patterns(const Patterns&) = delete;

  const Index count;
  PatternRows<T> sources, targets;
  Matrix<T> t;  ///< all targets
};

template <class T> class Growth {
 public:
  Growth(const CascadeSet<T>& train, const CascadeSet<T>& held, const CascadeOptions& o, CascadeResult& result)
      : o_(o),
        result_(result),
        inputs_(train.x.cols()),
        outputs_(train.t.cols()),
        logistic_(o.output.index() != 0),
        train_(train, o.max_units, logistic_ ? T(0.5) : T(0)),
        held_(held, o.max_units, logistic_ ? T(0.5) : T(0)),
        residuals_(outputs_, train_.count),
        output_w_(outputs_ * fan_in()) {}

  void run(Team& team) {
    for (Index i = 0; i < team.size(); ++i)
      workers_.emplace_back(std::max(train_.count, held_.count), outputs_, fan_in() + o_.max_units);
    for (;;) {
      const bool sound = train_outputs(team);
      if (!sound) return finish("the error is not finite", true);
      const bool on = !o_.on_stage || o_.on_stage();
      if (solved()) return finish("solved");
      if (!on) return finish("stopped by a callback");
      if (o_.unit_patience > 0 && held_.count > 0 && units() - result_.best >= o_.unit_patience) {
        return finish("the validation error has not fallen for " + std::to_string(o_.unit_patience) + " units");
      }
      if (units() == o_.max_units) return finish("all units installed");
      if (!install(team)) return finish("no candidate correlates with the error");
    }
  }

 private:
  Index units() const { return static_cast<Index>(result_.units.size()); }
  Index fan_in() const { return 1 + inputs_ + units(); }
  Matrix<const T> output_w() const { return {output_w_.data(), outputs_, fan_in()}; }
  bool solved() const { return logistic_ ? result_.wrong.back() == 0 : result_.error.back() <= o_.tolerance; }
  void finish(std::string why, bool diverged = false) {
    result_.stop_reason = std::move(why);
    result_.diverged = diverged;
  }
  double error_index(double squares, Index patterns) const {
    return std::sqrt(squares / static_cast<double>(patterns * outputs_)) / o_.deviation;
  }

  /// An output's misfit on a block p of patterns, and what its weights w descend along.
  Misfit misfit_of(const Patterns<T>& set, Index output, Range p, const Vector<const T>& w, Vector<T> descent) const {
    weighted_sum<T>(w, set.sources.top(fan_in()).at_columns(p), descent);
    if (logistic_) activate<T>(o_.output, {}, as_row(descent), as_row(descent), {});
    return misfit<T>(row(set.t, output).at(p), static_cast<T>(o_.tolerance), logistic_, descent);
  }

  /// Misfits and their gradient by the outputs' weights w: blocks of patterns and outputs are shared between workers,
  /// and added up in the order of the blocks.
  Misfit output_gradient(Team& team, const Matrix<const T>& w, Matrix<double> gradient) {
    const Matrix<const T> sources = train_.sources.top(fan_in());
    const Index width = sources.cols(), blocks = (width + block - 1) / block, jobs = blocks * outputs_;
    const Index threads = jobs * std::min(width, block) * fan_in() > 100000 ? team.size() : 1;
    misfits_.resize(static_cast<std::size_t>(jobs));
    job_gradients_.reserve(jobs * (fan_in() + o_.max_units - units()));
    Matrix<double> parts(job_gradients_.data(), jobs, fan_in());
    parts.setZero();
    team.run(threads, [&](Worker& me) {
      const Range mine = me.share(jobs);
      for (Index job = mine.begin; job < mine.end; ++job) {
        const Index output = job / blocks, first = job % blocks * block;
        const Range p{first, std::min(first + block, width)};
        const Vector<T> descent = worker(me).memory(p.size());
        misfits_[static_cast<std::size_t>(job)] = misfit_of(train_, output, p, row(w, output), descent);
        add_products<T>(sources.at_columns(p), descent, row(parts, job));
      }
    });
    Misfit total;
    gradient.setZero();
    for (Index job = 0; job < jobs; ++job) {
      total.squares += misfits_[static_cast<std::size_t>(job)].squares;
      total.wrong += misfits_[static_cast<std::size_t>(job)].wrong;
      gradient.row(job / blocks) += parts.row(job);
    }
    return total;
  }

  /// Trains the outputs' weights and records the stage; false where the error stopped being finite.
  bool train_outputs(Team& team) {
    Descent<T> descent(output_w_.size(), o_, o_.output_rate / static_cast<double>(train_.count));
    descent.w.copy_from(output_w_);
    Arena<double> gradient(output_w_.size());
    Patience patience(o_.output_phase);
    double least = std::numeric_limits<double>::infinity();
    Index epoch = 1, wrong = 0;
    bool sound = true;
    for (;; ++epoch) {
      poll_();
      const Misfit now =
          output_gradient(team, {descent.w.data(), outputs_, fan_in()}, {gradient.data(), outputs_, fan_in()});
      sound = std::isfinite(now.squares);
      if (!sound) break;
      const double error = error_index(now.squares, train_.count);
      const bool enough = logistic_ ? now.wrong == 0 : error <= o_.tolerance;
      if (enough || now.squares < least) {
        least = now.squares;
        wrong = now.wrong;
        descent.keep();
      }
      if (enough || patience.ended(epoch, error)) break;
      descent.step(1.0, gradient.vector());
    }
    if (least == std::numeric_limits<double>::infinity()) return false;
    output_w_ = descent.best;
    result_.output_weights.emplace_back();
    for (Index o = 0; o < outputs_; ++o) append_unscaled(row(output_w(), o), result_.output_weights.back());
    result_.output_epochs.push_back(epoch);
    result_.error.push_back(error_index(least, train_.count));
    result_.wrong.push_back(wrong);
    if (held_.count > 0) result_.validation_error.push_back(validation_error());
    const auto& watched = held_.count > 0 ? result_.validation_error : result_.error;
    const bool better = watched.back() < watched[static_cast<std::size_t>(result_.best)];
    if (better || (held_.count == 0 && solved())) result_.best = units();
    return sound;
  }

  double validation_error() {
    double squares = 0;
    for (Index o = 0; o < outputs_; ++o) {
      for_blocks(held_.t.cols(), [&](Range p) {
        squares += misfit_of(held_, o, p, row(output_w(), o), workers_[0].memory(p.size())).squares;
      });
    }
    return error_index(squares, held_.count);
  }

  const Activation& activation_of(Index candidate) const {
    return o_.pool[static_cast<std::size_t>(candidate) % o_.pool.size()];
  }

  Candidate<T> train_candidate(Index number, Unit<T>& unit, const std::function<bool()>& stop) const {
    const Matrix<const T> sources = train_.sources.top(fan_in());
    const Random random(o_.seed, Purpose::cascade, static_cast<std::uint32_t>(units() * o_.candidates + number));
    Descent<T> descent(fan_in(), o_, o_.candidate_rate / static_cast<double>(train_.count * fan_in()));
    for (Index i = 0; i < fan_in(); ++i) {
      descent.w[i] = static_cast<T>(o_.weight_range * (2 * random.uniform(static_cast<std::uint64_t>(i)) - 1));
    }
    unit.become(activation_of(number), units());
    Patience patience(o_.candidate_phase);
    Candidate<T> best;
    best.covariance = Arena<double>(outputs_);
    for (Index epoch = 1; !stop(); ++epoch) {
      unit.run(descent.w.vector(), sources);
      const double score = unit.correlate(residuals_);
      if (!std::isfinite(score)) break;
      best.epochs = epoch;
      if (score > best.score) {
        best.score = score;
        best.covariance.copy_from(unit.covariance);
        best.deviation = unit.deviation;
        descent.keep();
      }
      if (patience.ended(epoch, score)) break;
      descent.step(-1 / residuals_.squares(), unit.differentiate(residuals_, sources));
    }
    best.w = std::move(descent.best);
    return best;
  }

  /// Trains the pool: a worker that is done takes the next candidate, and a candidate is the same on any worker.
  std::vector<Candidate<T>> train_pool(Team& team) {
    std::vector<Candidate<T>> pool(static_cast<std::size_t>(o_.candidates));
    std::atomic<Index> next{0};
    // An epoch of a small candidate takes a microsecond or two: waking other threads costs more than they bring.
    const bool small = train_.sources.top(fan_in()).size() < 16384;
    team.run(small ? 1 : std::min(team.size(), o_.candidates), [&](Worker& me) {
      const auto stop = [&] {
        if (me.id == 0) poll_();
        return me.failed();
      };
      for (Index c = next++; c < o_.candidates; c = next++)
        pool[static_cast<std::size_t>(c)] = train_candidate(c, worker(me), stop);
    });
    return pool;
  }

  /// What a unit's activations are divided by while others train on them, so that their rates suit them: 1 for a root
  /// mean square up to 1, else the next power of 2, which can be taken out of the weights without rounding.
  static double scale_for(const Vector<const T>& v) {
    const double size = std::sqrt(kernels::dot(v, v) / static_cast<double>(v.size()));
    if (!(size > 1)) return 1.0;
    int exponent = 0;
    const double mantissa = std::frexp(size, &exponent);  // size = mantissa 2^exponent, 1/2 <= mantissa < 1
    return std::ldexp(1.0, mantissa > 0.5 ? exponent : exponent - 1);
  }

  /// Adds weights to `to` as they apply to the units themselves.
  void append_unscaled(const Vector<const T>& w, std::vector<double>& to) const {
    for (Index i = 0; i < w.size(); ++i) {
      const Index unit = i - 1 - inputs_;
      to.push_back(static_cast<double>(w(i)) / (unit < 0 ? 1.0 : scales_[static_cast<std::size_t>(unit)]));
    }
  }

  /// Trains a pool and installs its best unit; false where no candidate is of any use.
  bool install(Team& team) {
    const Index fan = fan_in();
    const Matrix<T> errors = residuals_.errors();
    for (Index o = 0; o < outputs_; ++o) {
      for_blocks(errors.cols(), [&](Range p) { misfit_of(train_, o, p, row(output_w(), o), row(errors, o).at(p)); });
    }
    residuals_.centre();
    if (!(residuals_.squares() > 0)) return false;
    const std::vector<Candidate<T>> pool = train_pool(team);
    Index winner = 0;
    for (Index c = 1; c < o_.candidates; ++c) {
      if (pool[static_cast<std::size_t>(c)].score > pool[static_cast<std::size_t>(winner)].score) winner = c;
    }
    const Candidate<T>& chosen = pool[static_cast<std::size_t>(winner)];
    if (!(chosen.score > 0)) return false;
    Unit<T>& unit = workers_[0];
    unit.become(activation_of(winner), units());
    for (Patterns<T>* set : {&train_, &held_}) {
      if (set->count == 0) continue;
      const Range all{0, set->count};
      unit.run(chosen.w.vector(), set->sources.top(fan));
      if (set == &train_) scales_.push_back(scale_for(unit.v().at(all)));
      row(set->sources.top(fan + 1), fan).at(all) = unit.v().at(all) / static_cast<T>(scales_.back());
    }
    Arena<T> grown(outputs_ * (fan + 1));
    Matrix<T> grown_w(grown.data(), outputs_, fan + 1);
    grown_w.at_columns({0, fan}) = output_w();
    grown_w.col(fan) = (-chosen.covariance.vector() / residuals_.squares() * scales_.back() / chosen.deviation)
                           .template cast<T>()
                           .transpose();
    output_w_ = std::move(grown);
    result_.units.push_back(activation_of(winner));
    append_unscaled(chosen.w.vector(), result_.unit_weights);
    result_.correlation.push_back(chosen.score);
    result_.candidate_epochs.push_back(chosen.epochs);
    return true;
  }

  Unit<T>& worker(const Worker& me) { return workers_[static_cast<std::size_t>(me.id)]; }

  const CascadeOptions& o_;
  CascadeResult& result_;
  const Index inputs_, outputs_;
  const bool logistic_;
  Patterns<T> train_, held_;
  Residuals<T> residuals_;
  Arena<T> output_w_;           ///< (outputs, fan-in)
  std::vector<double> scales_;  ///< by unit
  std::vector<Unit<T>> workers_;
  std::vector<Misfit> misfits_;
  Arena<double> job_gradients_;
  Poll poll_{o_.poll};
};

}  // namespace

template <class T>
void fit_cascade(const CascadeSet<T>& train, const CascadeSet<T>& held, const CascadeOptions& options,
                 CascadeResult& result) {
  if (options.candidates < 1 || options.pool.empty()) throw std::invalid_argument("the pool has no candidates");
  if (train.x.rows() < 1 || train.t.cols() < 1)
    throw std::invalid_argument("cascade-correlation needs rows and outputs");
  Growth<T> growth(train, held, options, result);
  kernels::with_team(kernels::choose_threads(options.threads), [&](Team& team) { growth.run(team); });
}

#define LAMINA_INSTANTIATE(T) \
  template void fit_cascade<T>(const CascadeSet<T>&, const CascadeSet<T>&, const CascadeOptions&, CascadeResult&);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)
#undef LAMINA_INSTANTIATE

}  // namespace lamina
