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

/// What is told of a unit once the outputs are trained with it.
struct Installed {
  Activation f;
  std::vector<double> weights;
  double correlation = 0;
  Index epochs = 0;
};

/// A set as growth sees it: a row for each source and each target, a column for each pattern.
template <class T> struct Patterns {
  /// With room for `units` sources beside the inputs, to begin with.
  Patterns(const CascadeSet<T>& set, Index units)
      : count(set.x.rows()),
        sources(1 + set.x.cols() + units, count),
        targets(set.t.cols() + 1, count),
        t(targets.top(set.t.cols())),
        counts(row(targets.top(set.t.cols() + 1), set.t.cols())) {
    load_sources<T>(set.x, sources.top(1 + set.x.cols()));
    t.at_columns({0, count}) = set.t.transpose();
    load_weights<T>(set.weights, count, counts);
    weight = total_of<T>(counts);
  }
  Patterns(const Patterns&) = delete;

  const Index count;
  PatternRows<T> sources, targets;
  Matrix<T> t;       ///< all targets
  Vector<T> counts;  ///< how often each pattern counts; 0 in the padding
  double weight;     ///< their sum
};

template <class T> class Growth {
 public:
  Growth(const CascadeSet<T>& train, const CascadeSet<T>& held, const CascadeOptions& o, CascadeResult& result)
      : o_(o),
        result_(result),
        inputs_(train.x.cols()),
        outputs_(train.t.cols()),
        target_{o.tolerance, o.is_logistic()},
        train_(train, std::min<Index>(o.max_units, 32)),
        held_(held, std::min<Index>(o.max_units, 32)),
        residuals_(outputs_, train_.count, train.weights),
        output_w_(outputs_ * fan_in()) {}

  void run(Team& team) {
    for (Index i = 0; i < team.size(); ++i) workers_.emplace_back(std::max(train_.count, held_.count), outputs_);
    for (bool trained = take_over();; trained = false) {
      if (!trained && !train_outputs(team)) return finish("the error is not finite", true);
      const bool on = !o_.on_stage || o_.on_stage();
      if (solved()) return finish("solved");
      if (!on) return finish("stopped by a callback");
      if (o_.unit_patience > 0 && held_.count > 0 && units() - result_.best_units >= o_.unit_patience) {
        return finish("the validation error has not fallen for " + std::to_string(o_.unit_patience) + " units");
      }
      if (units() == o_.max_units) return finish("all units installed");
      if (!install(team)) return finish("no candidate correlates with the error");
    }
  }

 private:
  Index units() const { return static_cast<Index>(scales_.size()); }
  Index fan_in() const { return 1 + inputs_ + units(); }
  Matrix<const T> output_w() const { return {output_w_.data(), outputs_, fan_in()}; }
  bool solved() const { return target_.logistic ? result_.wrong.back() == 0 : result_.error.back() <= o_.tolerance; }
  void finish(std::string why, bool diverged = false) {
    result_.stop_reason = std::move(why);
    result_.diverged = diverged;
  }
  double error_index(double squares, const Patterns<T>& set) const {
    return std::sqrt(squares / (set.weight * static_cast<double>(outputs_))) / o_.deviation;
  }

  /// An output's misfit on a block p of patterns that count as `counts` says, and what its weights w descend along.
  Misfit misfit_of(const Patterns<T>& set, const Vector<const T>& counts, Index output, Range p,
                   const Vector<const T>& w, Vector<T> descent) const {
    weighted_sum<T>(w, set.sources.top(fan_in()).at_columns(p), descent);
    if (target_.logistic) activate<T>(o_.output, {as_row(descent), as_row(descent)});
    return misfit<T>(row(set.t, output).at(p), counts.at(p), target_, descent);
  }

  /// Misfits and their gradient by the outputs' weights w: blocks of patterns and outputs are shared between workers,
  /// and added up in the order of the blocks.
  Misfit output_gradient(Team& team, const Matrix<const T>& w, Matrix<double> gradient) {
    const Matrix<const T> sources = train_.sources.top(fan_in());
    const Index width = sources.cols(), blocks = (width + block - 1) / block, jobs = blocks * outputs_;
    const Index threads = jobs * std::min(width, block) * fan_in() > 100000 ? team.size() : 1;
    misfits_.resize(static_cast<std::size_t>(jobs));
    job_gradients_.reserve(jobs * fan_in());
    Matrix<double> parts(job_gradients_.data(), jobs, fan_in());
    parts.setZero();
    team.run(threads, [&](Worker& me) {
      const Range mine = me.share(jobs);
      for (Index job = mine.begin; job < mine.end && !me.failed(); ++job) {
        if (me.id == 0) poll_();
        const Index output = job / blocks, first = job % blocks * block;
        const Range p{first, std::min(first + block, width)};
        const Vector<T> descent = worker(me).memory(p.size());
        misfits_[static_cast<std::size_t>(job)] = misfit_of(train_, train_.counts, output, p, row(w, output), descent);
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

  /// Trains the outputs' weights and records the stage; false where an error is not finite.
  bool train_outputs(Team& team) {
    Descent<T> descent(output_w_.size(), o_, o_.output_rate / train_.weight);
    descent.w.copy_from(output_w_);
    Arena<double> gradient(output_w_.size());
    Patience patience(o_.output_phase);
    double least = std::numeric_limits<double>::infinity(), wrong = 0;
    Index epoch = 1;
    bool sound = true;
    for (;; ++epoch) {
      const Misfit now =
          output_gradient(team, {descent.w.data(), outputs_, fan_in()}, {gradient.data(), outputs_, fan_in()});
      sound = std::isfinite(now.squares);
      if (!sound) break;
      const double error = error_index(now.squares, train_);
      const bool enough = target_.logistic ? now.wrong == 0 : error <= o_.tolerance;
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
    return tell(least, wrong, epoch) && sound;
  }

  /// Records the stage; false where its validation error is not finite. What it has to say is ready before it says
  /// anything.
  bool tell(double squares, double wrong, Index epochs) {
    std::vector<double> weights;
    for (Index o = 0; o < outputs_; ++o) append_unscaled(row(output_w(), o), weights);
    const double error = error_index(squares, train_), held = held_.count > 0 ? validation_error() : error;
    CascadeResult& r = result_;
    make_room(r.units, r.correlation, r.candidate_epochs, r.output_weights, r.output_epochs, r.error, r.wrong,
              r.validation_error);
    if (units() > 0) {
      r.unit_weights.insert(r.unit_weights.end(), installed_.weights.begin(), installed_.weights.end());
      r.units.push_back(std::move(installed_.f));
      r.correlation.push_back(installed_.correlation);
      r.candidate_epochs.push_back(installed_.epochs);
    }
    r.output_weights.push_back(std::move(weights));
    r.output_epochs.push_back(epochs);
    r.error.push_back(error);
    r.wrong.push_back(wrong);
    if (held_.count > 0) r.validation_error.push_back(held);
    const auto& watched = held_.count > 0 ? r.validation_error : r.error;
    const bool better = watched.back() < watched[static_cast<std::size_t>(r.best_units)];
    if (better || (held_.count == 0 && solved())) r.best_units = units();
    return std::isfinite(held);
  }
  template <class... V> static void make_room(V&... v) { (v.reserve(v.size() + 1), ...); }

  double validation_error() {
    double squares = 0;
    for (Index o = 0; o < outputs_; ++o) {
      for_blocks(held_.t.cols(), [&](Range p) {
        poll_();
        const Vector<T> descent = workers_[0].memory(p.size());
        squares += misfit_of(held_, held_.counts, o, p, row(output_w(), o), descent).squares;
      });
    }
    return error_index(squares, held_);
  }

  const Activation& activation_of(Index candidate) const {
    return o_.pool[static_cast<std::size_t>(candidate) % o_.pool.size()];
  }

  Candidate<T> train_candidate(Index number, Unit<T>& unit, const std::function<bool()>& stop) const {
    const Matrix<const T> sources = train_.sources.top(fan_in());
    const Random random(o_.seed, Purpose::cascade, static_cast<std::uint32_t>(units() * o_.candidates + number));
    Descent<T> descent(fan_in(), o_, o_.candidate_rate / static_cast<double>(fan_in()));
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
    const Index size = train_.sources.top(fan_in()).size();
    // A look at the clock for every 200,000 operations is enough.
    const Index epochs_a_look = std::max<Index>(1, 50000 / size);
    team.run(size < 16384 ? 1 : std::min(team.size(), o_.candidates), [&](Worker& me) {
      Index epochs = 0;
      const auto stop = [&] {
        if (++epochs % epochs_a_look != 0) return false;
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
  double scale_for(const Vector<const T>& v) const {
    double squares = 0;
    for (Index p = 0; p < train_.count; ++p) {
      const auto value = static_cast<double>(v(p));
      squares += static_cast<double>(train_.counts(p)) * value * value;
    }
    const double size = std::sqrt(squares / train_.weight);
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

  /// What `append_unscaled` was given: the scales are powers of 2, so these are the same bits.
  void scaled(const double* unscaled, Vector<T> w) const {
    for (Index i = 0; i < w.size(); ++i) {
      const Index unit = i - 1 - inputs_;
      w(i) = static_cast<T>(unscaled[i] * (unit < 0 ? 1.0 : scales_[static_cast<std::size_t>(unit)]));
    }
  }

  /// Makes a source of the unit with weights w, and returns its scale, which is not among `scales_` yet.
  double add_source(const Activation& f, const Vector<const T>& w) {
    const Index fan = fan_in();
    Unit<T>& unit = workers_[0];
    unit.become(f, units());
    double scale = 1;
    for (Patterns<T>* set : {&train_, &held_}) {
      if (set->count == 0) continue;
      const Range all{0, set->count};
      unit.run(w, set->sources.top(fan));
      if (set == &train_) scale = scale_for(unit.v());
      set->sources.make_room(fan + 1);
      row(set->sources.top(fan + 1), fan).at(all) = unit.v().at(all) / static_cast<T>(scale);
    }
    return scale;
  }

  /// Comes to the stage that `result` holds of an earlier growth; false where it holds none. Nothing else goes from one
  /// stage to the next: every phase makes its optimizer anew, and a draw belongs to a unit's number.
  bool take_over() {
    if (result_.output_weights.empty()) return false;
    finish("interrupted");
    const CascadeShape shape{inputs_, outputs_, {}, o_.output};
    Arena<T> w(fan_in() + static_cast<Index>(result_.units.size()));
    for (std::size_t k = 0; k < result_.units.size(); ++k) {
      const Vector<T> own = w.vector().at({0, fan_in()});
      scaled(result_.unit_weights.data() + shape.unit_offset(units()), own);
      scales_.push_back(add_source(result_.units[k], own));
    }
    output_w_ = Arena<T>(outputs_ * fan_in());
    for (Index o = 0; o < outputs_; ++o) {
      scaled(result_.output_weights.back().data() + o * fan_in(), {output_w_.data() + o * fan_in(), fan_in()});
    }
    return true;
  }

  /// Trains a pool and installs its best unit; false where no candidate is of any use.
  bool install(Team& team) {
    const Index fan = fan_in();
    const Matrix<T> errors = residuals_.errors();
    for (Index o = 0; o < outputs_; ++o) {
      for_blocks(errors.cols(), [&](Range p) {
        poll_();
        misfit_of(train_, row<const T>(train_.sources.top(fan), 0), o, p, row(output_w(), o), row(errors, o).at(p));
      });
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
    const double scale = add_source(activation_of(winner), chosen.w.vector());
    Arena<T> grown(outputs_ * (fan + 1));
    Matrix<T> grown_w(grown.data(), outputs_, fan + 1);
    grown_w.at_columns({0, fan}) = output_w();
    grown_w.col(fan) =
        (-chosen.covariance.vector() / residuals_.squares() * scale / chosen.deviation).template cast<T>().transpose();
    installed_ = {activation_of(winner), {}, chosen.score, chosen.epochs};
    append_unscaled(chosen.w.vector(), installed_.weights);
    output_w_ = std::move(grown);
    scales_.push_back(scale);
    return true;
  }

  Unit<T>& worker(const Worker& me) { return workers_[static_cast<std::size_t>(me.id)]; }

  const CascadeOptions& o_;
  CascadeResult& result_;
  const Index inputs_, outputs_;
  const Target target_;
  Patterns<T> train_, held_;
  Residuals<T> residuals_;
  std::vector<double> scales_;  ///< by unit
  Arena<T> output_w_;           ///< (outputs, fan-in)
  Installed installed_;         ///< the last unit
  std::vector<Unit<T>> workers_;
  std::vector<Misfit> misfits_;
  Arena<double> job_gradients_;
  Poll poll_{o_.poll};
};

/// Throws std::invalid_argument unless the parts of the set go together.
template <class T> void check_set(const CascadeSet<T>& set) {
  const Index n = set.x.rows();
  if (set.t.rows() != n || (!set.weights.empty() && set.weights.size() != n))
    throw std::invalid_argument("a cascade's inputs, targets and weights must have as many rows each");
  for (const T w : set.weights) {
    if (!(w > 0) || !std::isfinite(w)) throw std::invalid_argument("a cascade's weights must be greater than 0");
  }
}

/// Throws std::invalid_argument unless `r` is empty or what such a growth may have come to.
template <class T>
void check_begun(const CascadeResult& r, const CascadeSet<T>& train, bool validated, const CascadeOptions& o) {
  const std::size_t stages = r.output_weights.size(), units = stages == 0 ? 0 : stages - 1;
  const CascadeShape shape{train.x.cols(), train.t.cols(), {}, o.output};
  bool sound = r.units.size() == units && units <= static_cast<std::size_t>(o.max_units) &&
               r.correlation.size() == units && r.candidate_epochs.size() == units && r.error.size() == stages &&
               r.wrong.size() == stages && r.output_epochs.size() == stages &&
               r.validation_error.size() == (validated ? stages : 0) && r.best_units >= 0 &&
               static_cast<std::size_t>(r.best_units) <= units &&
               r.unit_weights.size() == static_cast<std::size_t>(shape.unit_offset(static_cast<Index>(units)));
  for (std::size_t k = 0; k < stages && sound; ++k) {
    sound = r.output_weights[k].size() ==
            static_cast<std::size_t>(shape.outputs * (1 + shape.inputs + static_cast<Index>(k)));
  }
  if (!sound) throw std::invalid_argument("a cascade's result must be empty, or of a growth with these columns");
}

}  // namespace

template <class T>
void fit_cascade(const CascadeSet<T>& train, const CascadeSet<T>& held, const CascadeOptions& options,
                 CascadeResult& result) {
  check_fields(options);
  check_set(train);
  check_set(held);
  if (train.x.rows() < 1 || train.t.cols() < 1)
    throw std::invalid_argument("cascade-correlation needs rows and outputs");
  if (held.x.rows() > 0 && (held.x.cols() != train.x.cols() || held.t.cols() != train.t.cols()))
    throw std::invalid_argument("the validation set must have the columns of the training set");
  check_begun(result, train, held.x.rows() > 0, options);
  Growth<T> growth(train, held, options, result);
  kernels::with_team(kernels::choose_threads(options.threads), [&](Team& team) { growth.run(team); });
}

#define LAMINA_INSTANTIATE(T) \
  template void fit_cascade<T>(const CascadeSet<T>&, const CascadeSet<T>&, const CascadeOptions&, CascadeResult&);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)
#undef LAMINA_INSTANTIATE

}  // namespace lamina
