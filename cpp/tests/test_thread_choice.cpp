/// The choice between all threads and one, on a clock of the test's own: how much of a minute is lost by a wrong
/// choice.
#include <chrono>
#include <cmath>
#include <cstdio>

#include "kernels/thread_choice.hpp"

namespace {

struct Clock {
  using duration = std::chrono::duration<double>;
  using time_point = std::chrono::time_point<Clock, duration>;
  static time_point now() { return time_point(duration(seconds)); }
  static double seconds;
};
double Clock::seconds = 0;

/// A piece of work: seconds on all threads and on one, and the share of the former that somebody waits.
struct Work {
  double all, one, waiting;
};

/// Seconds that `minutes` of work take over those of the better choice. From `change` on, `later` is the work.
double slowdown(lamina::Index threads, Work work, double change = 1e9, Work later = {}) {
  lamina::kernels::BasicThreadChoice<Clock> choice(threads);
  Clock::seconds = 0;
  double best = 0;
  while (Clock::seconds < 60) {
    const Work now = Clock::seconds < change ? work : later;
    const bool all = choice.threads() > 1;
    choice.start();
    Clock::seconds += all ? now.all : now.one;
    best += std::fmin(now.all, now.one);
    choice.finish(all ? now.all * now.waiting : 0);
  }
  return Clock::seconds / best;
}

int failures = 0;

void expect(const char* what, double found, double most) {
  std::printf("%-55s %.4f times the best (at most %.2f)\n", what, found, most);
  if (found > most) ++failures;
}

}  // namespace

int main() {
  expect("two free cores", slowdown(2, {15e-3, 30e-3, 0.03}), 1.01);
  expect("two free cores, small steps", slowdown(2, {100e-6, 180e-6, 0.1}), 1.01);
  expect("a taken core", slowdown(2, {12e-3, 2e-3, 0.8}), 1.05);
  expect("a core taken halfway", slowdown(2, {15e-3, 30e-3, 0.03}, 30, {90e-3, 30e-3, 0.7}), 1.05);
  expect("a core freed halfway", slowdown(2, {90e-3, 30e-3, 0.7}, 30, {15e-3, 30e-3, 0.03}), 1.10);
  expect("cores that slow each other down and never wait", slowdown(8, {3e-3, 1e-3, 0.1}), 1.15);
  return failures == 0 ? 0 : 1;
}
