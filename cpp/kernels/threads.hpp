/// A team of threads for the length of one fit or prediction: OpenMP opens one parallel region, the calling thread runs
/// the work, and the others wait for jobs. A job costs well under a microsecond to hand out while they spin; they sleep
/// when nothing comes, so that an idle team leaves the machine to others.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <type_traits>
#include <vector>

#include "core/types.hpp"

namespace lamina::kernels {

/// Gives the rest of the time slice away.
void yield_core();

/// Waits until `ready()`; spins, then yields its core, so that a preempted partner can finish.
template <class F> void spin_until(F&& ready) {
  for (int i = 0; i < 4000; ++i) {
    if (ready()) return;
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    asm volatile("yield");
#endif
  }
  while (!ready()) yield_core();
}

class Team;

/// A thread's view of the job it runs: part `id` of `size`.
class Worker {
 public:
  Worker(Team* team, Index number, Index count) : id(number), size(count), team_(team) {}
  /// Waits for all workers of the job. Every worker must come here equally often.
  void barrier();
  /// My share of [0, n), cut at multiples of `grain`.
  Range share(Index n, Index grain = 1) const { return part_of(n, id, size, grain); }
  /// Whether `keep_failure` has kept something in this job; all workers agree on it after a barrier.
  bool failed() const;

  const Index id;
  const Index size;

 private:
  Team* team_;
};

/// Hands jobs to threads. Made by `with_team`.
class Team {
 public:
  Index size() const { return size_; }

  /// f(worker) on `threads` threads (at most the team's), the caller being worker 0; returns when all are done.
  /// f must not throw on workers other than 0, and not on worker 0 before its last barrier: what may throw goes through
  /// `keep_failure`, and is thrown here at the end.
  template <class F> void run(Index threads, F&& f) {
    threads = threads < size_ ? threads : size_;
    const Entered entered(this);
    if (threads <= 1) {
      Worker alone(this, 0, 1);
      f(alone);
      rethrow_failure();
      return;
    }
    start(
        threads, [](void* object, Worker& w) { (*static_cast<std::remove_reference_t<F>*>(object))(w); },
        const_cast<void*>(static_cast<const void*>(&f)));
    Worker first(this, 0, threads);
    f(first);
    first.barrier();
    rethrow_failure();
  }

  /// Seconds that the worker who waited longest has spent in barriers since the last call of this, which is for one
  /// thread. About: what a worker waits at the very end of a job may count for the next.
  double take_longest_wait();

  /// The team whose job the calling thread is in, or null.
  static Team* current();
  /// Whether a job has failed; it stays so.
  bool failed() const { return failed_.load(std::memory_order_acquire); }
  /// Keeps the first failure of the job.
  void keep(std::exception_ptr failure);

 private:
  friend class Worker;
  /// Makes a team the thread's current one for a scope.
  class Entered {
   public:
    explicit Entered(Team* team);
    ~Entered();
    Entered(const Entered&) = delete;
    Entered& operator=(const Entered&) = delete;

   private:
    Team* before_;
  };

  void rethrow_failure() {
    if (failed()) std::rethrow_exception(failure_);
  }
  friend void with_team(Index, const std::function<void(Team&)>&);
  using Call = void (*)(void*, Worker&);

  void start(Index threads, Call call, void* object);
  void serve(Index id);
  void post(Index threads);
  void wait_for_phase_after(std::uint64_t phase, Index id);

  /// A worker's own cache line.
  struct alignas(64) Waiting {
    std::atomic<double> seconds{0};  ///< since the team was made; the worker's to write
    double taken = 0;                ///< what `take_longest_wait` has seen of them
  };

  Index size_ = 1;
  std::vector<Waiting> waiting_;  // by worker; empty where there is one
  // Number of the job times 1024 plus its threads (0: go home), in one word, so that a thread that had no part in a job
  // can never see half of the next one.
  std::atomic<std::uint64_t> job_{0};
  Call call_ = nullptr;
  void* object_ = nullptr;
  std::atomic<Index> arrived_{0};
  std::atomic<std::uint64_t> phase_{0};
  std::atomic<int> sleepers_{0};
  std::mutex mutex_;
  std::condition_variable wake_;
  std::atomic<bool> failed_{false};
  std::exception_ptr failure_;
};

inline bool Worker::failed() const { return team_->failed(); }

/// Runs f, which may throw, from any worker of a job: what it throws is kept for `Team::run` to throw on the calling
/// thread when all workers are done, and later calls of the job are left out. Outside of a job it goes to the caller.
/// Gives whether f ran to its end.
template <class F> bool keep_failure(F&& f) {
  Team* const team = Team::current();
  if (team && team->failed()) return false;
  try {
    f();
    return true;
  } catch (...) {
    if (!team) throw;
    team->keep(std::current_exception());
    return false;
  }
}

/// Runs body(team) with up to `threads` threads; serial in a forked child, where the pool's threads do not exist.
/// What body throws is thrown here.
void with_team(Index threads, const std::function<void(Team&)>& body);

/// How many threads may be used: `set_max_threads`, or OMP_NUM_THREADS, affinity, the container's quota.
Index max_threads();
/// n >= 1 sets the limit of this process; 0 returns to the environment's. Throws std::invalid_argument for n < 0.
void set_max_threads(Index n);
/// `requested` threads (0: all that max_threads allows), never more than 1 in a forked child.
Index choose_threads(Index requested);

}  // namespace lamina::kernels
