/// A team of threads for the length of one fit or prediction: OpenMP opens one parallel region, the calling thread runs
/// the work, and the others wait for jobs. A job costs well under a microsecond to hand out while they spin; they sleep
/// when nothing comes, so that an idle team leaves the machine to others.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <type_traits>
#include <vector>

#include "core/index.hpp"

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

/// Throws std::bad_alloc where there is no memory left to register a destructor with the thread.
void need_room_for_a_destructor();

/// The calling thread's own T, made on first use. The C library ends the process where it cannot note that a thread's
/// object is to be destroyed; here that is std::bad_alloc.
template <class T> T& of_this_thread() {
  thread_local T* own = nullptr;
  if (own == nullptr) {
    need_room_for_a_destructor();
    thread_local T made;
    own = &made;
  }
  return *own;
}

class Team;

/// A thread's view of the job it runs: part `id` of `size`.
class Worker {
 public:
  Worker(Team* team, Index number, Index count) : id(number), size(count), team_(team) {}
  /// Waits for all workers of the job. Every worker must come here equally often, unless it throws: then the wait of
  /// the others ends with an exception of the team's own, which no job may keep to itself.
  void barrier();
  /// My share of [0, n), cut at multiples of `grain`.
  Range share(Index n, Index grain = 1) const { return part_of(n, id, size, grain); }
  /// Whether another worker has thrown: long work without barriers may look, and end.
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

  /// f(worker) on `threads` threads (at most the team's), the caller being worker 0; returns when all are done. What f
  /// throws first, on any worker, is thrown here once all are back, and the team runs no more jobs.
  template <class F> void run(Index threads, F&& f) {
    rethrow_failure();
    threads = threads < size_ ? threads : size_;
    const Job job{threads, [](void* object, Worker& w) { (*static_cast<std::remove_reference_t<F>*>(object))(w); },
                  const_cast<void*>(static_cast<const void*>(std::addressof(f)))};
    if (threads > 1) post(job);
    Worker first(this, 0, threads);
    work(job, first);
    rethrow_failure();
  }

  /// Seconds that the worker who waited longest has spent in barriers since the last call of this, which is for one
  /// thread. About: what a worker waits at the very end of a job may count for the next.
  double take_longest_wait();

  /// Whether a job has thrown.
  bool failed() const { return failed_.load(std::memory_order_acquire); }

 private:
  friend class Worker;
  friend void with_team(Index, const std::function<void(Team&)>&);

  struct Job {
    Index threads;
    void (*call)(void*, Worker&);
    void* object;
  };
  /// Thrown out of barriers that will never end.
  struct Abandoned {};

  /// Where `size` threads meet.
  struct Meeting {
    std::atomic<Index> arrived{0};
    std::atomic<std::uint64_t> phase{0};
  };

  void rethrow_failure() {
    if (failed()) std::rethrow_exception(failure_);
  }
  void post(const Job& job);
  void announce(Index threads);
  void serve(Index id);
  void work(const Job& job, Worker& me) noexcept;
  template <class F> bool meet(Meeting& meeting, const Worker& me, F&& given_up);
  void keep(std::exception_ptr failure);

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
  Job posted_{};
  Meeting inside_, end_;  // barriers of a job, and its end: which every worker comes to, whatever happened before
  std::atomic<int> sleepers_{0};
  std::mutex mutex_;
  std::condition_variable wake_;
  std::atomic<bool> failed_{false};
  std::exception_ptr failure_;
};

inline bool Worker::failed() const { return team_->failed(); }

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
