#include "train/cascade.hpp"

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
  std::vector<T> w;
  std::vector<double> covariance;  ///< over the deviation of its activations, if that is above 1
  double deviation = 1;
  double score = -1;  ///< S / sum E^2 at its best
  Index epochs = 0;
};

struct Misfit {
  double squares = 0;
  Index wrong = 0;
};

/// Rows of a set: inputs and units as columns, and targets as columns.
template <class T> struct Set {
  Set(Rows<T> x, const T* t, Index outputs, Index capacity, T padding)
      : columns(x.rows, 1 + x.columns + capacity), targets(x.rows, outputs) {
    if (x.rows == 0) return;
    load_columns(x, columns);
    for (Index o = 0; o < outputs; ++o) {
      std::fill_n(targets.column(o), targets.stride, padding);
      for (Index p = 0; p < x.rows; ++p) targets.column(o)[p] = t[p * outputs + o];
    }
  }
  Columns<T> columns, targets;
};

template <class T> class Growth {
 public:
  Growth(Rows<T> x, const T* t, Index outputs, Rows<T> held, const T* held_t, const CascadeOptions& o,
         CascadeResult& result)
      : o_(o),
        result_(result),
        inputs_(x.columns),
        outputs_(outputs),
        logistic_(o.output.index() != 0),
        train_(x, t, outputs, o.max_units, logistic_ ? T(0.5) : T(0)),
        held_(held, held_t, outputs, o.max_units, logistic_ ? T(0.5) : T(0)),
        errors_(x.rows, outputs),
        output_w_(outputs * (1 + inputs_)) {}

  void run(Team& team) {
    for (Index s = 0; s < std::max(team.size(), Index(1)); ++s)
      scratch_.emplace_back(std::max(train_.columns.rows, held_.columns.rows));
    for (;;) {
      const bool sound = train_outputs(team);
      if (!sound) return finish("the error is not finite", true);
      const bool on = !o_.on_stage || o_.on_stage();
      if (solved()) return finish("solved");
      if (!on) return finish("stopped by a callback");
      const Index units = static_cast<Index>(result_.units.size());
      if (o_.unit_patience > 0 && held_.columns.rows > 0 && units - result_.best >= o_.unit_patience) {
        return finish("the validation error has not fallen for " + std::to_string(o_.unit_patience) + " units");
      }
      if (units == o_.max_units) return finish("all units installed");
      if (!install(team)) return finish("no candidate correlates with the error");
    }
  }

 private:
  Index fan_in() const { return 1 + inputs_ + static_cast<Index>(result_.units.size()); }
  bool solved() const { return logistic_ ? result_.wrong.back() == 0 : result_.error.back() <= o_.tolerance; }
  void finish(std::string why, bool diverged = false) {
    result_.stop_reason = std::move(why);
    result_.diverged = diverged;
  }
  double index_of(double squares, Index rows) const {
    return std::sqrt(squares / static_cast<double>(rows * outputs_)) / o_.deviation;
  }

  /// y - t of one output for a block of patterns, and what the output's weights descend along: (y - t)(f' + 0.1).
  Misfit misfit(const Set<T>& set, Index output, Index p, Index m, const T* w, T* slope) const {
    using V = simd::Vec<T>;
    weighted_sum(set.columns.column(0) + p, set.columns.stride, w, fan_in(), slope, m);
    if (logistic_) activate<T>(o_.output, {}, {slope, 1, m}, {slope, 1, m}, {});
    constexpr int vectors = static_cast<int>(group) / V::size;
    V squares[vectors], wrong[vectors];
    for (int k = 0; k < vectors; ++k) squares[k] = wrong[k] = V(T(0));
    const T* target = set.targets.column(output) + p;
    for (Index j = 0; j < m; j += group) {
      for (int k = 0; k < vectors; ++k) {
        const Index at = j + k * V::size;
        const V y = V::load(slope + at), e = y - V::load(target + at);
        squares[k] = fma(e, e, squares[k]);
        wrong[k] += select(simd::abs(e) <= V(static_cast<T>(o_.tolerance)), V(0), V(1));
        const V steep = logistic_ ? e * fma(y, V(1) - y, V(static_cast<T>(0.1))) : e;
        steep.store(slope + at);
      }
    }
    return {static_cast<double>(sum_group(squares)), static_cast<Index>(sum_group(wrong))};
  }

  /// Misfits and slopes by every output weight: blocks of patterns and outputs are shared between workers, and added up
  /// in the order of the blocks.
  Misfit output_slopes(Team& team, const T* w, double* slope) {
    const Index fan = fan_in(), stride = train_.columns.stride, blocks = (stride + block - 1) / block;
    const Index jobs = blocks * outputs_, threads = jobs * std::min(stride, block) * fan > 100000 ? team.size() : 1;
    parts_.resize(static_cast<std::size_t>(jobs));
    partial_.assign(static_cast<std::size_t>(jobs * fan), 0.0);
    team.run(threads, [&](Worker& me) {
      const Range mine = me.share(jobs);
      for (Index job = mine.begin; job < mine.end; ++job) {
        const Index output = job / blocks, p = job % blocks * block, m = std::min(block, stride - p);
        T* d = scratch_[static_cast<std::size_t>(me.id)].d.data();
        parts_[static_cast<std::size_t>(job)] = misfit(train_, output, p, m, w + output * fan, d);
        products(train_.columns.column(0) + p, stride, fan, d, m, partial_.data() + job * fan);
      }
    });
    Misfit total;
    std::fill_n(slope, outputs_ * fan, 0.0);
    for (Index job = 0; job < jobs; ++job) {
      total.squares += parts_[static_cast<std::size_t>(job)].squares;
      total.wrong += parts_[static_cast<std::size_t>(job)].wrong;
      for (Index i = 0; i < fan; ++i)
        slope[job / blocks * fan + i] += partial_[static_cast<std::size_t>(job * fan + i)];
    }
    return total;
  }

  /// Trains the outputs' weights and records the stage; false where the error stopped being finite.
  bool train_outputs(Team& team) {
    const Index n = train_.columns.rows;
    Descent<T> descent(output_w_.size(), o_, o_.output_rate / static_cast<double>(n));
    descent.w.copy_from(output_w_);
    std::vector<double> slope(static_cast<std::size_t>(output_w_.size()));
    Patience patience(o_.output_phase);
    double least = std::numeric_limits<double>::infinity();
    Index epoch = 1, wrong = 0;
    bool sound = true;
    for (;; ++epoch) {
      poll_();
      const Misfit now = output_slopes(team, descent.w.data(), slope.data());
      sound = std::isfinite(now.squares);
      if (!sound) break;
      const bool enough = logistic_ ? now.wrong == 0 : index_of(now.squares, n) <= o_.tolerance;
      if (enough || now.squares < least) {
        least = now.squares;
        wrong = now.wrong;
        descent.keep();
      }
      if (enough || patience.ended(epoch, index_of(now.squares, n))) break;
      descent.step(slope.data(), 1.0);
    }
    if (least == std::numeric_limits<double>::infinity()) return false;
    output_w_ = descent.best;
    result_.output_weights.emplace_back();
    for (Index o = 0; o < outputs_; ++o)
      append_unscaled(&output_w_[o * fan_in()], fan_in(), result_.output_weights.back());
    result_.output_epochs.push_back(epoch);
    result_.error.push_back(index_of(least, n));
    result_.wrong.push_back(wrong);
    const Index stage = static_cast<Index>(result_.units.size());
    if (held_.columns.rows > 0) result_.validation_error.push_back(validation_error());
    const auto& watched = held_.columns.rows > 0 ? result_.validation_error : result_.error;
    const bool better = watched.back() < watched[static_cast<std::size_t>(result_.best)];
    if (better || (held_.columns.rows == 0 && solved())) result_.best = stage;
    return sound;
  }

  double validation_error() {
    Misfit total;
    for (Index o = 0; o < outputs_; ++o) {
      for_blocks(held_.columns.stride, [&](Index p, Index m) {
        total.squares += misfit(held_, o, p, m, output_w_.data() + o * fan_in(), scratch_[0].d.data()).squares;
      });
    }
    return index_of(total.squares, held_.columns.rows);
  }

  void train_candidate(Index number, Candidate<T>& c, UnitScratch<T>& s, const std::function<bool()>& stop) {
    const Index fan = fan_in(), unit = static_cast<Index>(result_.units.size());
    const Activation& f = o_.pool[static_cast<std::size_t>(number) % o_.pool.size()];
    const Random random(o_.seed, Purpose::cascade, static_cast<std::uint32_t>(unit * o_.candidates + number));
    Descent<T> descent(fan, o_, o_.candidate_rate / static_cast<double>(train_.columns.rows * fan));
    for (Index i = 0; i < fan; ++i) {
      descent.w[i] = static_cast<T>(o_.weight_range * (2 * random.uniform(static_cast<std::uint64_t>(i)) - 1));
    }
    set_slopes(f, unit, s.slopes);
    const auto outputs = static_cast<std::size_t>(outputs_);
    std::vector<double> covariance(outputs), slope(static_cast<std::size_t>(fan));
    std::vector<T> sigma(outputs);
    Patience patience(o_.candidate_phase);
    for (Index epoch = 1; !stop(); ++epoch) {
      run_unit(f, train_.columns, descent.w.data(), fan, s);
      covariances(errors_, outputs_, s, covariance.data());
      const Spread v = spread(train_.columns, s);
      double score = 0;
      for (double& c_o : covariance) score += std::abs(c_o /= v.deviation) / squares_;
      if (!std::isfinite(score)) break;
      c.epochs = epoch;
      if (score > c.score) {
        c.score = score;
        c.covariance = covariance;
        c.deviation = v.deviation;
        descent.keep();
      }
      if (patience.ended(epoch, score)) break;
      for (std::size_t k = 0; k < outputs; ++k) sigma[k] = sign_of<T>(covariance[k]);
      correlation_gradient(f, train_.columns, fan, errors_, sigma.data(), outputs_, v, score * squares_, s,
                           slope.data());
      descent.step(slope.data(), -1 / squares_);
    }
    c.w.assign(descent.best.begin(), descent.best.end());
  }

  /// Trains the pool: a worker that is done takes the next candidate, and a candidate is the same on any worker.
  std::vector<Candidate<T>> train_pool(Team& team) {
    std::vector<Candidate<T>> pool(static_cast<std::size_t>(o_.candidates));
    std::atomic<Index> next{0};
    // An epoch of a small candidate takes a microsecond or two: waking other threads costs more than they bring.
    const bool small = train_.columns.stride * fan_in() < 16384;
    team.run(small ? 1 : std::min(team.size(), o_.candidates), [&](Worker& me) {
      const auto stop = [&] {
        if (me.id == 0) poll_();
        return me.failed();
      };
      for (Index c = next++; c < o_.candidates; c = next++) {
        train_candidate(c, pool[static_cast<std::size_t>(c)], scratch_[static_cast<std::size_t>(me.id)], stop);
      }
    });
    return pool;
  }

  /// What a unit's column is divided by while others train on it, so that their rates suit it: 1 for a root mean square
  /// up to 1, else the next power of 2, which can be taken out of the weights without rounding.
  static double scale_of(const T* v, Index rows) {
    double squares = 0;
    for (Index p = 0; p < rows; ++p) squares += static_cast<double>(v[p]) * static_cast<double>(v[p]);
    const double size = std::sqrt(squares / static_cast<double>(rows));
    return size > 1 ? std::exp2(std::ceil(std::log2(size))) : 1.0;
  }

  /// Adds weights to `to` as they apply to the units themselves.
  void append_unscaled(const T* w, Index fan, std::vector<double>& to) const {
    for (Index i = 0; i < fan; ++i) {
      const Index unit = i - 1 - inputs_;
      to.push_back(static_cast<double>(w[i]) / (unit < 0 ? 1.0 : scales_[static_cast<std::size_t>(unit)]));
    }
  }

  /// Trains a pool and installs its best unit; false where no candidate is of any use.
  bool install(Team& team) {
    const Index fan = fan_in(), unit = static_cast<Index>(result_.units.size());
    for (Index o = 0; o < outputs_; ++o) {
      for_blocks(errors_.stride,
                 [&](Index p, Index m) { misfit(train_, o, p, m, output_w_.data() + o * fan, errors_.column(o) + p); });
    }
    squares_ = centre(errors_, outputs_);
    if (!(squares_ > 0)) return false;
    const std::vector<Candidate<T>> pool = train_pool(team);
    std::size_t winner = 0;
    for (std::size_t c = 1; c < pool.size(); ++c) {
      if (pool[c].score > pool[winner].score) winner = c;
    }
    const Candidate<T>& chosen = pool[winner];
    if (!(chosen.score > 0)) return false;
    const Activation& f = o_.pool[winner % o_.pool.size()];
    for (Set<T>* set : {&train_, &held_}) {
      if (set->columns.rows == 0) continue;
      set_slopes(f, unit, scratch_[0].slopes);
      run_unit(f, set->columns, chosen.w.data(), fan, scratch_[0]);
      if (set == &train_) scales_.push_back(scale_of(scratch_[0].v.data(), set->columns.rows));
      const T scale = static_cast<T>(scales_.back());
      for (Index p = 0; p < set->columns.rows; ++p) set->columns.column(fan)[p] = scratch_[0].v[p] / scale;
    }
    Arena<T> grown(outputs_ * (fan + 1));
    for (Index o = 0; o < outputs_; ++o) {
      std::copy_n(output_w_.data() + o * fan, fan, grown.data() + o * (fan + 1));
      grown[o * (fan + 1) + fan] = static_cast<T>(-chosen.covariance[static_cast<std::size_t>(o)] / squares_ *
                                                  scales_.back() / chosen.deviation);
    }
    output_w_ = std::move(grown);
    result_.units.push_back(f);
    append_unscaled(chosen.w.data(), fan, result_.unit_weights);
    result_.correlation.push_back(chosen.score);
    result_.candidate_epochs.push_back(chosen.epochs);
    return true;
  }

  const CascadeOptions& o_;
  CascadeResult& result_;
  const Index inputs_, outputs_;
  const bool logistic_;
  Set<T> train_, held_;
  Columns<T> errors_;
  Arena<T> output_w_;
  std::vector<double> scales_;  ///< by unit
  double squares_ = 0;          ///< sum of E^2 over patterns and outputs
  std::vector<UnitScratch<T>> scratch_;
  std::vector<Misfit> parts_;
  std::vector<double> partial_;
  Poll poll_{o_.poll};
};

}  // namespace

template <class T>
void fit_cascade(Rows<T> x, const T* t, Index outputs, Rows<T> held, const T* held_t, const CascadeOptions& options,
                 CascadeResult& result) {
  if (options.candidates < 1 || options.pool.empty()) throw std::invalid_argument("the pool has no candidates");
  if (x.rows < 1 || outputs < 1) throw std::invalid_argument("cascade-correlation needs rows and outputs");
  Growth<T> growth(x, t, outputs, held, held_t, options, result);
  kernels::with_team(kernels::choose_threads(options.threads), [&](Team& team) { growth.run(team); });
}

#define LAMINA_INSTANTIATE(T) \
  template void fit_cascade<T>(Rows<T>, const T*, Index, Rows<T>, const T*, const CascadeOptions&, CascadeResult&);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)
#undef LAMINA_INSTANTIATE

}  // namespace lamina
