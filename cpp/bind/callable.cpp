#include "bind/callable.hpp"

namespace lamina::bind {

double PythonSchedule::factor(const Progress& progress) const {
  return locked([&]() -> double {
    const py::object factor = call(f.object(), py::cast(progress));
    if (py::isinstance<py::str>(factor) || !py::hasattr(factor, "__float__"))
      throw py::type_error("schedule must give a number, the factor of the rate; got " + repr_of(factor));
    return py::float_(factor);
  });
}

void PythonEpochHook::operator()(EpochReport& report) const {
  locked([&] { report = call(f.object(), py::cast(report)).cast<EpochReport>(); });
}

double PythonMonitor::operator()(const EpochReport& report) const {
  return locked([&] { return call(f.object(), py::cast(report)).cast<double>(); });
}

bool load_schedule(py::handle from, Schedule& to) {
  if (from.is_none()) {
    to = schedule::Constant{};
    return true;
  }
  bool known = false;
  for_each_type<Schedule>([&](const auto& entry) {
    using S = std::decay_t<decltype(entry)>;
    if constexpr (std::tuple_size_v<decltype(S::fields())> > 0) {
      // Of that very class: one that a user has derived from it may have a `__call__` of its own.
      if (known || !py::type::handle_of(from).is(py::type::of<S>())) return;
      to = from.cast<S>();
      known = true;
    }
  });
  if (known) return true;
  if (!PyCallable_Check(from.ptr())) return false;
  schedule::Custom custom;
  custom.function = std::make_shared<PythonSchedule>(from);
  to = custom;
  return true;
}

py::object object_of(const Schedule& schedule) {
  return std::visit(
      [](const auto& s) -> py::object {
        using S = std::decay_t<decltype(s)>;
        if constexpr (std::is_same_v<S, schedule::Custom>)
          return static_cast<const PythonSchedule&>(*s.function).f.object();
        else if constexpr (std::tuple_size_v<decltype(S::fields())> > 0) return py::cast(s);
        else return py::none();
      },
      schedule);
}

}  // namespace lamina::bind
