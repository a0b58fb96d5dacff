/// Options, reports and history of a fit as Python records.
#include <optional>

#include "bind/callable.hpp"
#include "bind/lock.hpp"
#include "bind/numpy.hpp"

namespace lamina::bind {
namespace {

using Doubles = py::array_t<double, py::array::c_style>;
using Labels = py::array_t<std::int32_t, py::array::c_style>;

/// A metric of predictions (rows, outputs): targets are labels (rows,), or values (rows, outputs), and weights (rows,).
double metric_value(const Metric& metric, const py::array& targets, const Doubles& predicted,
                    const std::optional<Doubles>& weights) {
  if (predicted.ndim() != 2) throw py::value_error("predicted must be (rows, outputs)");
  Scored<double> s;
  s.predicted = Matrix<const double>(predicted.data(), predicted.shape(0), predicted.shape(1));
  const bool labels = py::isinstance<Labels>(targets) && targets.ndim() == 1;
  const bool values = py::isinstance<Doubles>(targets) && targets.ndim() == 2 && targets.shape(1) == s.outputs();
  if (!(labels || values) || targets.shape(0) != s.count() || (weights && weights->size() != s.count()))
    throw py::value_error("targets must be int32 (rows,) or float64 (rows, outputs), and weights (rows,)");
  if (labels) s.rows.targets.labels = static_cast<const std::int32_t*>(targets.data());
  else s.rows.targets.values = Matrix<const double>(static_cast<const double*>(targets.data()), s.count(), s.outputs());
  if (weights) s.rows.weights = Vector<const double>(weights->data(), s.count());
  const bool classes = std::visit([](const auto& m) { return m.classes; }, metric);
  s.kind = !classes ? TargetKind::real : labels ? TargetKind::classes : TargetKind::binary;
  const Unlocked unlocked;
  return metric_of(metric, s);
}

}  // namespace

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
  m.def(
      "metric_name", [](const Metric& metric) { return name_of(metric); }, py::arg("metric"),
      "The name that a metric's name or alias stands for.");
  m.def("metric_value", &metric_value, py::arg("metric"), py::arg("targets").noconvert(),
        py::arg("predicted").noconvert(), py::arg("sample_weight").noconvert(),
        "A metric of predictions (rows, outputs), float64: targets are int32 labels (rows,), or float64 (rows, "
        "outputs).");

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
