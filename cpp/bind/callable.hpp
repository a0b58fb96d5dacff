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

/// The names of an enumeration's values, in their order.
template <class E> inline constexpr std::array<const char*, 0> names_of{};
template <> inline constexpr std::array<const char*, 2> names_of<Monitor>{"validation_loss", "loss"};
template <> inline constexpr std::array<const char*, 3> names_of<Normalizing>{"none", "standard", "robust"};

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

/// An enumeration by the names of its values.
template <class E, std::size_t N> struct enum_caster {
  PYBIND11_TYPE_CASTER(E, const_name("str"));
  bool load(handle from, bool) {
    const auto& names = lamina::bind::names_of<E>;
    for (std::size_t i = 0; i < N; ++i) {
      if (!isinstance<str>(from) || from.cast<std::string>() != names[i]) continue;
      value = static_cast<E>(i);
      return true;
    }
    return false;
  }
  static handle cast(E e, return_value_policy, handle) {
    return str(lamina::bind::names_of<E>[static_cast<std::size_t>(e)]).release();
  }
};
template <> struct type_caster<lamina::Monitor> : enum_caster<lamina::Monitor, 2> {};
template <> struct type_caster<lamina::Normalizing> : enum_caster<lamina::Normalizing, 3> {};

/// A metric by its name.
template <> struct type_caster<lamina::Metric> {
  PYBIND11_TYPE_CASTER(lamina::Metric, const_name("str"));
  bool load(handle from, bool) {
    if (!isinstance<str>(from)) return false;
    value = lamina::make<lamina::Metric>(from.cast<std::string>(), "metric");
    return true;
  }
  static handle cast(const lamina::Metric& m, return_value_policy, handle) { return str(lamina::name_of(m)).release(); }
};

}  // namespace pybind11::detail
