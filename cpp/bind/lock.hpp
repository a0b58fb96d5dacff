/// The interpreter's lock, let go of and taken again so that a thread survives the interpreter's end.
///
/// A daemon thread that wants the lock while the interpreter goes down is ended where it stands: pthread_exit unwinds
/// its stack by force. Through frames of C++ that must not be unwound - destructors, a worker's noexcept, `catch (...)`
/// - that is std::terminate, and the process aborts. Such a thread waits for the process to end instead, as Python
/// itself has it from 3.14 on.
#pragma once

#include <pybind11/pybind11.h>

#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include <chrono>
#include <exception>
#include <thread>
#include <utility>

#include "kernels/rounding.hpp"

namespace lamina::bind {
namespace py = pybind11;

[[noreturn]] inline void wait_for_the_end() {
  for (;;) std::this_thread::sleep_for(std::chrono::hours(1));
}

/// Whether this is the thread that the process began with, which is also the one that ends it.
inline bool on_main_thread() {
#if defined(__linux__)
  return ::getpid() == static_cast<pid_t>(::syscall(SYS_gettid));
#else
  return true;
#endif
}

/// Whether this thread has the lock. Also while the interpreter goes down, and after.
inline bool has_lock() {
  const PyThreadState* const own = PyGILState_GetThisThreadState();
  return own && own == py::detail::get_thread_state_unchecked();
}

#if defined(__GLIBCXX__)
/// f(), which may be where the interpreter ends this thread: then it does not return. What glibc unwinds with is no
/// exception of C++, and there is no current one. Frames that it went through have left AddressSanitizer's marks on the
/// stack, on which its own call before what never returns would trip.
template <class F> __attribute__((no_sanitize("address"))) auto unless_ended(F&& f) {
  try {
    return f();
  } catch (...) {
    if (!std::current_exception()) wait_for_the_end();
    throw;
  }
}
#else
template <class F> auto unless_ended(F&& f) { return f(); }
#endif

/// Lets go of the lock while it lives, and rounds as the core does.
class Unlocked {
 public:
  Unlocked() : state_(PyEval_SaveThread()) {}
  ~Unlocked() {
    if (!Py_IsInitialized() && !on_main_thread()) wait_for_the_end();  // the thread's state may be gone, too
    unless_ended([this] { PyEval_RestoreThread(state_); });
  }
  Unlocked(const Unlocked&) = delete;
  Unlocked& operator=(const Unlocked&) = delete;

 private:
  PyThreadState* state_;
  const kernels::UsualRounding rounding_;
};

/// Holds the lock while it lives; on any thread, whether it has it already or not. It asks Python and not pybind11,
/// whose own data go with the interpreter.
class Locked {
 public:
  Locked() {
    if (!Py_IsInitialized() && !has_lock()) wait_for_the_end();
    unless_ended([this] { state_ = PyGILState_Ensure(); });
  }
  ~Locked() { PyGILState_Release(state_); }
  Locked(const Locked&) = delete;
  Locked& operator=(const Locked&) = delete;

 private:
  PyGILState_STATE state_{};
};

/// f() under the lock; f may run Python code, in which the interpreter may end this thread.
template <class F> auto locked(F&& f) {
  const Locked lock;
  return unless_ended(f);
}

/// f(arguments...), of Python, where the lock is held. Throws what it raises.
template <class... Arguments> py::object call(py::handle f, const Arguments&... arguments) {
  PyObject* const result =
      unless_ended([&] { return PyObject_CallFunctionObjArgs(f.ptr(), arguments.ptr()..., nullptr); });
  if (!result) throw py::error_already_set();
  return py::reinterpret_steal<py::object>(result);
}

/// The poll hook of long work without the lock: throws what a signal's handler raises.
inline void poll_signals() {
  locked([] {
    if (PyErr_CheckSignals() != 0) throw py::error_already_set();
  });
}

}  // namespace lamina::bind
