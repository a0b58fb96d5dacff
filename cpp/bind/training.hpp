/// Options, reports and history of a fit, in Python's hands.
#pragma once

#include "bind/registry.hpp"
#include "train/trainer.hpp"

namespace lamina::bind {

/// The poll hook of long work without the interpreter's lock: throws what a signal's handler raises.
inline void poll_signals() {
  const py::gil_scoped_acquire locked;
  if (PyErr_CheckSignals() != 0) throw py::error_already_set();
}

/// FitOptions whose hooks are Python callables.
struct PythonFitOptions {
  FitOptions options;
  py::object schedule = py::none(), on_epoch = py::none(), monitor = py::none();

  /// The options with the hooks wired: they take the interpreter's lock, and signals are polled.
  FitOptions wired() const;
};

}  // namespace lamina::bind
