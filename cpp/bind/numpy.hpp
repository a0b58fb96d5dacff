/// pybind11's arrays, in place of <pybind11/numpy.h>: their first use survives the interpreter's end.
///
/// pybind11 looks the interface up when the first array comes, and lets go of the interpreter's lock meanwhile. That
/// may be on a daemon thread, which the interpreter then ends in the midst of it: destructors give back a lock that
/// they do not have and ask for one that they cannot get, and the process aborts. Here the lock stays held.
#pragma once

#include <pybind11/gil_safe_call_once.h>

#include "bind/lock.hpp"

namespace pybind11::detail {
struct npy_api;
}

namespace lamina::bind {

/// What is looked up under the interpreter's lock and kept for ever. Two threads may both do it, and find the same.
template <class T> class LookedUp {
 public:
  template <class F> LookedUp& call_once_and_store_result(F&& look_up, void (*)(T&) = nullptr) {
    if (!found_) found_ = new T(unless_ended(look_up));
    return *this;
  }
  T& get_stored() { return *found_; }

 private:
  T* found_ = nullptr;
};

}  // namespace lamina::bind

namespace pybind11 {
template <> class gil_safe_call_once_and_store<detail::npy_api> : public lamina::bind::LookedUp<detail::npy_api> {};
}  // namespace pybind11

#include <pybind11/numpy.h>
