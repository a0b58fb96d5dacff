/// Options, reports and history of a fit as Python records.
#include "bind/callable.hpp"

namespace lamina::bind {

void bind_training(py::module_& m) {
  py::class_<Progress> progress(m, "Progress", "How far training is; what a schedule gets.");
  bind_constructor(progress);
  bind_fields(progress);

  bind_classes<Schedule>(m, "schedule", "lamina.schedules", every_field, [](auto&& c) {
    using S = typename std::decay_t<decltype(c)>::type;
    c.def(
        "__call__", [](const S& s, const Progress& p) { return factor_of(s, p); }, py::arg("progress"),
        "The factor of the learning rate.");
  });
  m.def("schedule_describe", &describe<Schedule>);
  m.def("schedule_factor", &factor_of, py::arg("schedule"), py::arg("progress"));

  m.def("metric_names", &names<Metric>);
  m.def("metric_describe", &describe<Metric>);

  py::class_<EpochReport> report(m, "EpochReport", "What is known at the end of an epoch.");
  report.def(py::init<const EpochReport&>(), py::arg("report"));
  bind_fields(report, [](std::string_view field) { return field == "learning_rate" || field == "stop_reason"; });

  py::class_<PlateauWatch>(m, "PlateauWatch", "ReduceOnPlateau in the course of one fit: a callback.")
      .def("__call__", [](PlateauWatch& watch, EpochReport& epoch) {
        epoch.learning_rate = watch.rate_after(epoch.validation_loss.value_or(epoch.loss), epoch.learning_rate);
      });
  bind_class<schedule::ReduceOnPlateau>(m, "lamina.schedules")
      .def(
          "watcher", [](const schedule::ReduceOnPlateau& rule) { return PlateauWatch(rule); },
          "A callback with a fresh memory, for one fit.");

  py::class_<History> history(m, "History", "What a fit left behind.");
  history.def(py::init<>());
  bind_fields(history, no_field);

  py::class_<PenaltyStrength> penalty(m, "PenaltyStrength", "L1 and L2 penalties on weights.");
  bind_constructor(penalty);
  bind_fields(penalty);
  py::class_<EarlyStop> early_stop(m, "EarlyStop", "Early stopping on a monitored value, lower is better.");
  bind_constructor(early_stop);
  bind_fields(early_stop);
  py::class_<FitOptions> options(m, "FitOptions", "What `fit` passes to the core.");
  bind_options(options);
  py::class_<GradientOptions> gradient(m, "GradientOptions", "How the gradient of a loss is taken.");
  bind_options(gradient);
}

}  // namespace lamina::bind
