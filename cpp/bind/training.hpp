/// Options, reports and history of a fit, in Python's hands.
#pragma once

#include "bind/registry.hpp"
#include "train/trainer.hpp"

namespace lamina::bind {

/// FitOptions whose hooks are Python callables.
struct PythonFitOptions {
  FitOptions options;
  py::object schedule = py::none(), on_epoch = py::none(), monitor = py::none();

  /// The options with the hooks wired: they take the interpreter's lock, and signals are polled.
  FitOptions wired() const;
};

}  // namespace lamina::bind
