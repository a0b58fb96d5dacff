/// Python callables and records of the core in each other's hands: schedules, and the hooks of a fit.
#pragma once

#include <memory>

#include "bind/lock.hpp"
#include "bind/registry.hpp"
#include "train/trainer.hpp"

namespace lamina::bind {

/// A Python callable that the core may copy, call and let go of without the interpreter's lock.
class Callable {
 public:
  explicit Callable(py::handle f)
      : f_(new py::object(py::reinterpret_borrow<py::object>(f)),
           [](py::object* last) { locked([last] { delete last; }); }) {}
  const py::object& object() const { return *f_; }

 private:
  std::shared_ptr<py::object> f_;
};

struct PythonSchedule final : CustomSchedule {
  Callable f;

  explicit PythonSchedule(py::handle callable) : f(callable) {}
  double factor(const Progress& progress) const override;
};

struct PythonEpochHook {
  Callable f;
  /// The callable gets a copy, which it may keep, and returns it with its changes.
  void operator()(EpochReport& report) const;
};

struct PythonMonitor {
  Callable f;
  double operator()(const EpochReport& report) const;
};

/// None, an object of a schedule's own class, or any other callable.
bool load_schedule(py::handle from, Schedule& to);
py::object object_of(const Schedule& schedule);

/// The hook of a callable; none for None.
template <class Python, class Function> bool load_hook(py::handle from, Function& to) {
  if (!from.is_none() && !PyCallable_Check(from.ptr())) return false;
  if (from.is_none()) to = nullptr;
  else to = Python{Callable(from)};
  return true;
}
template <class Python, class Function> py::object object_of_hook(const Function& hook) {
  const auto* python = hook.template target<Python>();
  return python ? python->f.object() : py::none();
}

/// Options of long work as a record, which answers signals.
template <class S> void bind_options(py::class_<S>& c) {
  bind_constructor(c, [] {
    S options;
    options.poll = &poll_signals;
    return options;
  });
  bind_fields(c);
}

/// The names of `Monitor`, in their order.
inline constexpr std::array<const char*, 2> monitor_names{"validation_loss", "loss"};

}  // namespace lamina::bind

namespace pybind11::detail {

template <> struct type_caster<lamina::Schedule> {
  PYBIND11_TYPE_CASTER(lamina::Schedule, const_name("object"));
  bool load(handle from, bool) { return lamina::bind::load_schedule(from, value); }
  static handle cast(const lamina::Schedule& s, return_value_policy, handle) {
    return lamina::bind::object_of(s).release();
  }
};
template <> struct type_caster<lamina::schedule::Then> {
  PYBIND11_TYPE_CASTER(lamina::schedule::Then, const_name("object"));
  bool load(handle from, bool) {
    lamina::Schedule schedule;
    if (!lamina::bind::load_schedule(from, schedule)) return false;
    if (!from.is_none())
      value.schedule = std::make_shared<lamina::schedule::AnySchedule>(lamina::schedule::AnySchedule{schedule});
    return true;
  }
  static handle cast(const lamina::schedule::Then& then, return_value_policy, handle) {
    return then.schedule ? lamina::bind::object_of(then.schedule->value).release() : none().release();
  }
};

template <class Python, class Function> struct hook_caster {
  PYBIND11_TYPE_CASTER(Function, const_name("object"));
  bool load(handle from, bool) { return lamina::bind::load_hook<Python>(from, value); }
  static handle cast(const Function& hook, return_value_policy, handle) {
    return lamina::bind::object_of_hook<Python>(hook).release();
  }
};
template <> struct type_caster<lamina::EpochHook> : hook_caster<lamina::bind::PythonEpochHook, lamina::EpochHook> {};
template <> struct type_caster<lamina::MonitorHook> : hook_caster<lamina::bind::PythonMonitor, lamina::MonitorHook> {};

/// No clipping is None.
template <> struct type_caster<lamina::Clipping> : variant_caster<lamina::Clipping> {
  static constexpr auto name = const_name("object");
  bool load(handle from, bool convert) {
    if (!from.is_none()) return variant_caster<lamina::Clipping>::load(from, convert);
    value = lamina::clipping::None{};
    return true;
  }
  static handle cast(const lamina::Clipping& rule, return_value_policy policy, handle parent) {
    if (std::holds_alternative<lamina::clipping::None>(rule)) return none().release();
    return variant_caster<lamina::Clipping>::cast(rule, policy, parent);
  }
};

template <> struct type_caster<lamina::Monitor> {
  PYBIND11_TYPE_CASTER(lamina::Monitor, const_name("str"));
  bool load(handle from, bool) {
    const auto& names = lamina::bind::monitor_names;
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (!isinstance<str>(from) || from.cast<std::string>() != names[i]) continue;
      value = static_cast<lamina::Monitor>(i);
      return true;
    }
    return false;
  }
  static handle cast(lamina::Monitor m, return_value_policy, handle) {
    return str(lamina::bind::monitor_names[static_cast<std::size_t>(m)]).release();
  }
};

}  // namespace pybind11::detail
