/// What may be done to a network beside a fit of it. One rule for all:
///
/// - Predictions, losses and gradients go on beside a fit and never wait: they see the weights of the moment.
/// - A copy, and everything that is made from one (a pickle, a saved file), waits for the end of the step under way and
///   sees the weights and the optimizer's memory as they are between two steps.
/// - A second fit, and what changes more than weights (new initial weights, normalisation, the optimizer's memory), is
///   refused.
/// - Callbacks, monitors and schedules run between steps. What runs within one, an activation or a loss of Python's,
///   cannot copy the network: it would wait for itself. A signal's handler, on the thread that trains, sees the weights
///   of the moment.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <stdexcept>
#include <thread>

#include "bind/lock.hpp"

namespace lamina::bind {

/// While it lives its thread is in a function that a step waits for.
class InsideStep {
 public:
  InsideStep() { ++depth(); }
  ~InsideStep() { --depth(); }
  InsideStep(const InsideStep&) = delete;
  InsideStep& operator=(const InsideStep&) = delete;
  static bool here() { return depth() > 0; }

 private:
  static int& depth() {
    thread_local int count = 0;
    return count;
  }
};

/// Lets copies in between the steps of a fit. None of its functions may be called with the interpreter's lock.
class Turnstile {
 public:
  /// A fit, or another change, for as long as it lives. Throws std::runtime_error where one is under way.
  class Change {
   public:
    explicit Change(Turnstile& t) : t_(t) {
      std::unique_lock<std::mutex> lock(t_.mutex_);
      if (t_.changing_)
        throw std::runtime_error(t_.owner_ == std::this_thread::get_id()
                                     ? "this network is being trained: a callback cannot train or change it"
                                     : "this network is being trained by another thread");
      t_.changing_ = t_.closed_ = true;
      t_.owner_ = std::this_thread::get_id();
      t_.changed_.wait(lock, [this] { return t_.readers_ == 0; });
    }
    ~Change() {
      const std::lock_guard<std::mutex> lock(t_.mutex_);
      t_.changing_ = t_.closed_ = false;
      t_.owner_ = {};
      t_.changed_.notify_all();
    }
    Change(const Change&) = delete;
    Change& operator=(const Change&) = delete;

    /// Between two steps: lets in who waits, and goes on when they are done.
    void rest() {
      if (t_.waiting_.load(std::memory_order_relaxed) == 0) return;
      std::unique_lock<std::mutex> lock(t_.mutex_);
      t_.admitted_ = t_.waiting_;
      t_.changed_.notify_all();
      t_.changed_.wait(lock, [this] { return t_.admitted_ == 0 && t_.readers_ == 0; });
    }

   private:
    Turnstile& t_;
  };

  /// Everybody may read while it lives: for the time of a hook, which may wait for others itself.
  class Pause {
   public:
    explicit Pause(Turnstile& t) : t_(t) {
      const std::lock_guard<std::mutex> lock(t_.mutex_);
      t_.closed_ = false;
      t_.changed_.notify_all();
    }
    ~Pause() {
      std::unique_lock<std::mutex> lock(t_.mutex_);
      t_.closed_ = true;
      t_.changed_.wait(lock, [this] { return t_.readers_ == 0; });
    }
    Pause(const Pause&) = delete;
    Pause& operator=(const Pause&) = delete;

   private:
    Turnstile& t_;
  };

  /// f(), while nothing changes; the thread that trains goes through. Waits, and answers signals meanwhile.
  template <class F> auto read(F&& f) {
    const Reader reader(*this);
    return f();
  }

 private:
  class Reader {
   public:
    explicit Reader(Turnstile& t) : t_(t) {
      std::unique_lock<std::mutex> lock(t_.mutex_);
      if (t_.closed_ && InsideStep::here())
        throw std::runtime_error("an activation or a loss of your own cannot copy a network that is in a step");
      if (t_.owner_ == std::this_thread::get_id()) return;
      counted_ = true;
      if (t_.closed_) wait(lock);
      ++t_.readers_;
    }
    ~Reader() {
      if (!counted_) return;
      const std::lock_guard<std::mutex> lock(t_.mutex_);
      --t_.readers_;
      t_.changed_.notify_all();
    }
    Reader(const Reader&) = delete;
    Reader& operator=(const Reader&) = delete;

   private:
    void wait(std::unique_lock<std::mutex>& lock) {
      ++t_.waiting_;
      const auto let_in = [this] { return !t_.closed_ || t_.admitted_ > 0; };
      while (!t_.changed_.wait_for(lock, std::chrono::milliseconds(50), let_in)) {
        lock.unlock();
        try {
          poll_signals();
        } catch (...) {
          lock.lock();
          leave();
          throw;
        }
        lock.lock();
      }
      leave();
    }
    void leave() {
      --t_.waiting_;
      if (t_.admitted_ > 0) --t_.admitted_;
      t_.changed_.notify_all();
    }

    Turnstile& t_;
    bool counted_ = false;
  };

  std::mutex mutex_;
  std::condition_variable changed_;
  std::atomic<int> waiting_{0};  // readers before the turnstile
  int admitted_ = 0, readers_ = 0;
  bool changing_ = false;  // a fit is under way
  bool closed_ = false;    // and takes a step
  std::thread::id owner_;
};

}  // namespace lamina::bind
