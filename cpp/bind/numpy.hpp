/// pybind11's arrays, in place of <pybind11/numpy.h>: they survive the interpreter's end.
///
/// pybind11 looks the interface up when the first array comes, and lets go of the interpreter's lock meanwhile. That
/// may be on a daemon thread, which the interpreter then ends in the midst of it: destructors give back a lock that
/// they do not have and ask for one that they cannot get, and the process aborts. Here the lock stays held.
///
/// NumPy lets go of the lock as well, while it converts an array. A thread that is ended then must not unwind the
/// frames that called it, which would let go of their objects without the lock.
#pragma once

#include <pybind11/gil_safe_call_once.h>

#include <utility>

#include "bind/lock.hpp"

namespace pybind11::detail {
struct npy_api;
}

namespace lamina::bind {

/// NumPy's interface, looked up under the interpreter's lock and kept for ever. Two threads may both do it, and find
/// the same.
template <class Api> class LookedUp {
 public:
  template <class F> LookedUp& call_once_and_store_result(F&& look_up, void (*)(Api&) = nullptr) {
    if (!found_) {
      Api* const found = new Api(unless_ended(look_up));
      numpys_own() = std::exchange(found->PyArray_FromAny_, &from_any);
      found_ = found;
    }
    return *this;
  }
  Api& get_stored() { return *found_; }

 private:
  static auto& numpys_own() {
    static decltype(Api::PyArray_FromAny_) function = nullptr;
    return function;
  }
  static PyObject* from_any(PyObject* from, PyObject* type, int least, int most, int flags, PyObject* context) {
    return unless_ended([&] { return numpys_own()(from, type, least, most, flags, context); });
  }

  Api* found_ = nullptr;
};

}  // namespace lamina::bind

namespace pybind11 {
template <> class gil_safe_call_once_and_store<detail::npy_api> : public lamina::bind::LookedUp<detail::npy_api> {};
}  // namespace pybind11

#include <pybind11/numpy.h>
