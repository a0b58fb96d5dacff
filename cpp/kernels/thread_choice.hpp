/// All threads or one? Measured while the work goes on, since nobody else knows what the other cores are busy with.
#pragma once

#include <algorithm>
#include <chrono>

#include "core/index.hpp"

namespace lamina::kernels {

/// Chooses the number of threads for work that repeats (the steps of a fit). It starts with all threads; rounds of some
/// milliseconds are timed with all threads and with one, and the faster goes on. The slower is tried again ever more
/// rarely: a taken core may become free. While no thread waits long for another, trials are rarer still: one thread
/// would hardly be faster, and long steps make a trial dear. Results do not depend on the choice.
template <class Clock> class BasicThreadChoice {
 public:
  /// `alone`: start with one thread, because that was the better choice a moment ago.
  explicit BasicThreadChoice(Index most, bool alone = false)
      : most_(most), all_(!alone), left_(alone ? content_rounds * pause_ : content_rounds) {}

  /// Threads for the next piece of work.
  Index threads() const { return all_ ? most_ : 1; }
  /// Whether one thread is, or was before the trial under way, the better choice.
  bool alone() const { return all_ == trying_; }

  /// Before and after a piece of work on `threads()` threads; `waited`: the longest that one of them waited meanwhile.
  void start() {
    if (most_ > 1) start_ = Clock::now();
  }
  void finish(double waited) {
    if (most_ <= 1) return;
    seconds_ += std::chrono::duration<double>(Clock::now() - start_).count();
    waited_ += waited;
    ++pieces_;
    // The first piece of a round pays for waking threads and for cold caches.
    if (pieces_ == 1 && !warm_) {
      warm_ = true;
      restart();
      return;
    }
    if (seconds_ >= round_seconds || pieces_ >= round_pieces) finish_round();
  }

 private:
  static constexpr double round_seconds = 4e-3;
  static constexpr int round_pieces = 64, longest_pause = 128;
  // A trial is as near after so many rounds in which nobody waits as after one on a single thread; of rounds in which
  // somebody does, it takes two, since a single one may be an accident and a trial of a long step is dear.
  static constexpr int content_rounds = 256, waiting_rounds = content_rounds / 2;

  void restart() {
    seconds_ = waited_ = 0;
    pieces_ = 0;
  }

  /// One thread alone would be as fast as n of which each works 1 / n of the time; this asks at some distance from it.
  bool waits_long() const { return waited_ > 0.7 * (1 - 1 / static_cast<double>(most_)) * seconds_; }

  void finish_round() {
    const double mean = seconds_ / pieces_;
    const bool content = all_ && !waits_long();
    restart();
    if (trying_) {
      trying_ = false;
      if (mean < chosen_mean_) {  // the other one is faster: it stays, and the first is tried again soon
        chosen_mean_ = mean;
        pause_ = 2;
      } else {
        all_ = !all_;
        warm_ = false;
        pause_ = std::min(2 * pause_, longest_pause);
      }
      left_ = pause_ * content_rounds;
      return;
    }
    chosen_mean_ = mean;
    left_ -= content ? 1 : all_ ? waiting_rounds : content_rounds;
    if (left_ > 0) return;
    trying_ = true;
    all_ = !all_;
    warm_ = false;
  }

  Index most_;
  bool all_, trying_ = false, warm_ = false;
  int pieces_ = 0, pause_ = 2, left_;
  double seconds_ = 0, waited_ = 0, chosen_mean_ = 0;
  typename Clock::time_point start_;
};

using ThreadChoice = BasicThreadChoice<std::chrono::steady_clock>;

}  // namespace lamina::kernels
