#include "kernels/threads.hpp"

#include <cxxabi.h>
#include <omp.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <thread>

#if defined(__unix__) || defined(__APPLE__)
#include <pthread.h>
#include <sched.h>
#endif

#include "kernels/rounding.hpp"

namespace lamina::kernels {
namespace {

std::atomic<Index> limit{0};
std::atomic<bool> forked{false};

#if defined(__unix__) || defined(__APPLE__)
const int registered = pthread_atfork(nullptr, nullptr, [] { forked = true; });
#endif

/// Whole cores of the control group's quota ("max 100000" or "200000 100000"); a large number where there is none.
Index quota_of_container() {
  constexpr Index unlimited = 1 << 20;
  std::ifstream file("/sys/fs/cgroup/cpu.max");
  std::string quota;
  double period = 0;
  if (!(file >> quota >> period) || quota == "max" || period <= 0) return unlimited;
  return std::max<Index>(1, static_cast<Index>(std::atof(quota.c_str()) / period));
}

/// Has the calling thread get its own memory for exceptions, which it has from then on. Where there is none left for
/// that, the first `throw` of a thread ends the process: so a worker does it before it works.
void prepare_to_throw() {
  // Declared without effects, which it is not the first time.
  [[maybe_unused]] const void* volatile kept = abi::__cxa_get_globals();
}

/// Whether there is memory for what so many new threads need of their own before they work.
bool room_for(Index threads) {
  constexpr std::size_t of_a_thread = std::size_t{1} << 18;
  const std::unique_ptr<char[]> trial(new (std::nothrow) char[static_cast<std::size_t>(threads) * of_a_thread]);
  return trial != nullptr;
}

/// As many of `threads` threads, the calling one included, as can be started: OpenMP ends the process where it fails to
/// start one, so those that its pool does not have yet are tried beforehand.
Index startable(Index threads) {
  thread_local Index pool = 1;  // it belongs to the thread that opens regions, and shrinks to what the last one needed
  if (threads <= 1) return threads;
  if (threads <= pool) return pool = threads;
  std::mutex gate;
  std::vector<std::thread> trial;
  {
    const std::lock_guard<std::mutex> closed(gate);  // all of them exist at once
    try {
      trial.reserve(static_cast<std::size_t>(threads));
      for (Index i = 1; i < threads; ++i) {
        trial.emplace_back([&gate] { const std::lock_guard<std::mutex> wait(gate); });
      }
    } catch (const std::exception&) {  // std::system_error or std::bad_alloc: fewer have to do
      threads = std::max(pool, static_cast<Index>(trial.size()));
    }
  }
  for (std::thread& t : trial) t.join();
  if (!room_for(threads)) threads = pool;
  return pool = threads;
}

}  // namespace

void need_room_for_a_destructor() {
  constexpr std::size_t some = std::size_t{1} << 14;  // so much goes back to where the C library takes its own from
  ::operator delete(::operator new(some));
}

void yield_core() { std::this_thread::yield(); }

/// Whether all workers of `me`'s job have come to the meeting; false once `given_up()`.
template <class F> bool Team::meet(Meeting& meeting, const Worker& me, F&& given_up) {
  const std::uint64_t phase = meeting.phase.load(std::memory_order_acquire);
  if (meeting.arrived.fetch_add(1, std::memory_order_acq_rel) == me.size - 1) {
    meeting.arrived.store(0, std::memory_order_relaxed);
    meeting.phase.store(phase + 1, std::memory_order_release);
    return true;
  }
  const auto met = [&] { return meeting.phase.load(std::memory_order_acquire) != phase; };
  if (met()) return true;
  using Clock = std::chrono::steady_clock;
  const Clock::time_point start = Clock::now();
  spin_until([&] { return met() || given_up(); });
  std::atomic<double>& seconds = waiting_[static_cast<std::size_t>(me.id)].seconds;
  const double waited = std::chrono::duration<double>(Clock::now() - start).count();
  seconds.store(seconds.load(std::memory_order_relaxed) + waited, std::memory_order_relaxed);
  return met();
}

void Worker::barrier() {
  if (size > 1 && !team_->meet(team_->inside_, *this, [this] { return failed(); })) throw Team::Abandoned();
}

void Team::work(const Job& job, Worker& me) noexcept {
  try {
    job.call(job.object, me);
  } catch (const Abandoned&) {  // another worker's failure is kept
  } catch (...) {
    keep(std::current_exception());
  }
  if (me.size > 1) meet(end_, me, [] { return false; });
}

double Team::take_longest_wait() {
  double longest = 0;
  for (Waiting& w : waiting_) {
    const double seconds = w.seconds.load(std::memory_order_relaxed);
    longest = std::max(longest, seconds - w.taken);
    w.taken = seconds;
  }
  return longest;
}

void Team::keep(std::exception_ptr failure) {
  std::lock_guard<std::mutex> lock(mutex_);
  if (!failure_) failure_ = std::move(failure);
  failed_.store(true, std::memory_order_release);
}

void Team::post(const Job& job) {
  posted_ = job;
  announce(job.threads);
}

void Team::announce(Index threads) {
  const std::uint64_t number = job_.load(std::memory_order_relaxed) / 1024 + 1;
  job_.store(number * 1024 + static_cast<std::uint64_t>(threads), std::memory_order_seq_cst);
  if (sleepers_.load(std::memory_order_seq_cst) > 0) {
    std::lock_guard<std::mutex> lock(mutex_);
    wake_.notify_all();
  }
}

void Team::serve(Index id) {
  const UsualRounding rounding;
  prepare_to_throw();
  std::uint64_t seen = 0;
  const auto arrived = [&] { return job_.load(std::memory_order_seq_cst) != seen; };
  for (;;) {
    bool ready = false;
    for (int i = 0; i < 20000 && !ready; ++i) {
      ready = arrived();
      if (!ready && i % 64 == 63) yield_core();
    }
    if (!ready) {
      std::unique_lock<std::mutex> lock(mutex_);
      sleepers_.fetch_add(1, std::memory_order_seq_cst);
      wake_.wait(lock, arrived);
      sleepers_.fetch_sub(1, std::memory_order_seq_cst);
    }
    seen = job_.load(std::memory_order_acquire);
    const auto threads = static_cast<Index>(seen % 1024);
    if (threads == 0) return;
    if (id >= threads) continue;
    Worker me(this, id, threads);
    work(posted_, me);
  }
}

void with_team(Index threads, const std::function<void(Team&)>& body) {
  const UsualRounding rounding;
  Team team;
  if (threads == 1) return body(team);
  prepare_to_throw();
  threads = omp_in_parallel() ? 1 : startable(choose_threads(threads));
  if (threads <= 1) {
    body(team);
    return;
  }
  team.waiting_ = std::vector<Team::Waiting>(static_cast<std::size_t>(threads));
  std::exception_ptr failure;
#pragma omp parallel num_threads(static_cast<int>(threads))
  {
#pragma omp single
    team.size_ = omp_get_num_threads();
    if (omp_get_thread_num() == 0) {
      try {
        body(team);
      } catch (...) {
        failure = std::current_exception();
      }
      team.announce(0);
    } else {
      team.serve(omp_get_thread_num());
    }
  }
  if (failure) std::rethrow_exception(failure);
}

Index max_threads() {
  if (const Index set = limit.load(); set > 0) return set;
  static const Index quota = quota_of_container();
  return std::max<Index>(1, std::min<Index>(omp_get_max_threads(), quota));
}

void set_max_threads(Index n) {
  if (n < 0)
    throw std::invalid_argument("n_threads must be at least 1 (or 0 for the default); got " + std::to_string(n));
  limit = n;
}

Index choose_threads(Index requested) {
  if (forked) return 1;
  // Beyond the cores threads only wait for each other; up to 8 are started anyway, so that bits can be compared.
  static const Index most = std::max<Index>(8, omp_get_num_procs());
  return requested > 0 ? std::min(requested, most) : max_threads();
}

}  // namespace lamina::kernels
