/// What training, wherever it is bound, shares.
#pragma once

#include <pybind11/pybind11.h>

namespace lamina::bind {
namespace py = pybind11;

/// The poll hook of long work without the interpreter's lock: throws what a signal's handler raises.
inline void poll_signals() {
  const py::gil_scoped_acquire locked;
  if (PyErr_CheckSignals() != 0) throw py::error_already_set();
}

}  // namespace lamina::bind
