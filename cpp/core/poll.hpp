/// A hook for the owner of the calling thread, who may want to stop long work: called now and then, at a pace.
#pragma once

#include <chrono>
#include <functional>
#include <utility>

namespace lamina {

/// Calls `hook`, which may throw and may be null, at most every 20 ms.
class Poll {
 public:
  explicit Poll(std::function<void()> hook)
      : hook_(std::move(hook)), last_(hook_ ? Clock::now() : Clock::time_point()) {}

  void operator()() {
    if (!hook_) return;
    const auto now = Clock::now();
    if (now - last_ < std::chrono::milliseconds(20)) return;
    last_ = now;
    hook_();
  }

 private:
  using Clock = std::chrono::steady_clock;
  std::function<void()> hook_;
  Clock::time_point last_;
};

}  // namespace lamina
