/// All threads or one? Measured while the work goes on, since nobody else knows what the other cores are busy with.
#pragma once

#include <algorithm>
#include <chrono>

#include "core/types.hpp"

namespace lamina::kernels {

/// Chooses the number of threads for work that repeats (the steps of a fit): rounds of some milliseconds are timed with
/// all threads and with one, and the faster goes on. The slower is tried again ever more rarely, because a core that
/// was taken may become free, and the other way round. Results do not depend on the choice.
class ThreadChoice {
 public:
  explicit ThreadChoice(Index most) : most_(most) {}

  /// Threads for the next piece of work.
  Index threads() const { return all_ ? most_ : 1; }

  /// Before and after a piece of work on `threads()` threads.
  void start() {
    if (most_ > 1) start_ = Clock::now();
  }
  void finish() {
    if (most_ <= 1) return;
    seconds_ += std::chrono::duration<double>(Clock::now() - start_).count();
    ++pieces_;
    // The first piece of a round pays for waking threads and for cold caches.
    if (pieces_ == 1 && !warm_) {
      warm_ = true;
      seconds_ = 0;
      pieces_ = 0;
      return;
    }
    if (seconds_ >= round_seconds || pieces_ >= round_pieces) finish_round();
  }

 private:
  using Clock = std::chrono::steady_clock;
  static constexpr double round_seconds = 4e-3;
  static constexpr int round_pieces = 64, longest_pause = 128;

  void finish_round() {
    const double mean = seconds_ / pieces_;
    seconds_ = 0;
    pieces_ = 0;
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
      rounds_left_ = pause_;
      return;
    }
    chosen_mean_ = mean;
    if (--rounds_left_ > 0) return;
    trying_ = true;
    all_ = !all_;
    warm_ = false;
  }

  Index most_;
  bool all_ = true, trying_ = false, warm_ = false;
  int pieces_ = 0, rounds_left_ = 1, pause_ = 2;
  double seconds_ = 0, chosen_mean_ = 0;
  Clock::time_point start_;
};

}  // namespace lamina::kernels
