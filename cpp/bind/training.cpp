#include "bind/training.hpp"

namespace lamina::bind {

FitOptions PythonFitOptions::wired() const {
  FitOptions out = options;
  if (!schedule.is_none()) {
    bool known = false;
    for_each_type<Schedule>([&](const auto& entry) {
      using S = std::decay_t<decltype(entry)>;
      if constexpr (std::tuple_size_v<decltype(S::fields())> > 0) {
        if (!py::isinstance<S>(schedule)) return;
        known = true;
        const S copy = schedule.cast<S>();
        out.schedule = [copy](const Progress& p) { return copy.factor(p); };
      }
    });
    if (!known) {
      out.schedule = [this](const Progress& p) {
        const py::gil_scoped_acquire locked;
        return schedule(p).cast<double>();
      };
    }
  }
  if (!on_epoch.is_none()) {
    out.on_epoch = [this](EpochReport& report) {
      const py::gil_scoped_acquire locked;
      const py::object own = py::cast(report);  // a copy: a callback may keep it
      on_epoch(own);
      report = own.cast<EpochReport>();
    };
  }
  if (!monitor.is_none()) {
    out.monitor = [this](const EpochReport& report) {
      const py::gil_scoped_acquire locked;
      return monitor(py::cast(report)).cast<double>();
    };
  }
  out.poll = &poll_signals;
  return out;
}

void bind_training(py::module_& m) {
  py::class_<Progress>(m, "Progress", "How far training is; what a schedule gets.")
      .def(py::init<>())
      .def_readwrite("epoch", &Progress::epoch)
      .def_readwrite("epochs", &Progress::epochs)
      .def_readwrite("step", &Progress::step)
      .def_readwrite("samples", &Progress::samples);
  m.def("schedule_factor", [](const Schedule& s, const Progress& p) { return factor_of(s, p); });

  py::class_<EpochReport>(m, "EpochReport", "What is known at the end of an epoch.")
      .def_readonly("epoch", &EpochReport::epoch)
      .def_readonly("loss", &EpochReport::loss)
      .def_readonly("validation_loss", &EpochReport::validation_loss)
      .def_readwrite("learning_rate", &EpochReport::learning_rate)
      .def_readonly("seconds", &EpochReport::seconds)
      .def_readwrite("stop", &EpochReport::stop)
      .def_readwrite("stop_reason", &EpochReport::stop_reason);

  py::class_<History>(m, "History", "What a fit left behind.")
      .def(py::init<>())
      .def_readonly("began", &History::began)
      .def_readonly("loss", &History::loss)
      .def_readonly("validation_loss", &History::validation_loss)
      .def_readonly("learning_rate", &History::learning_rate)
      .def_readonly("best_epoch", &History::best_epoch)
      .def_readonly("stop_reason", &History::stop_reason)
      .def_readonly("evaluations", &History::evaluations)
      .def_readonly("diverged", &History::diverged)
      .def_readonly("diverged_epoch", &History::diverged_epoch)
      .def_readonly("diverged_batch", &History::diverged_batch)
      .def_readonly("diverged_layer", &History::diverged_layer);

  using P = PythonFitOptions;
  const auto field = [](auto member) {
    return std::pair{
        [member](const P& p) { return p.options.*member; },
        [member](P& p, std::decay_t<decltype(std::declval<FitOptions>().*member)> v) { p.options.*member = v; }};
  };
  py::class_<P> c(m, "FitOptions", "What `fit` passes to the core.");
  c.def(py::init<>());
  const auto add = [&](const char* name, auto member) {
    auto [get, set] = field(member);
    c.def_property(name, get, set);
  };
  add("epochs", &FitOptions::epochs);
  add("batch_size", &FitOptions::batch_size);
  add("optimizer", &FitOptions::optimizer);
  add("solver", &FitOptions::solver);
  add("penalty_per_batch", &FitOptions::penalty_per_batch);
  add("sam_rho", &FitOptions::sam_rho);
  add("shuffle", &FitOptions::shuffle);
  add("resume", &FitOptions::resume);
  add("fit_normalization", &FitOptions::fit_normalization);
  add("threads", &FitOptions::threads);
  add("seed", &FitOptions::seed);
  c.def_property(
      "l1", [](const P& p) { return p.options.penalty.l1; }, [](P& p, double v) { p.options.penalty.l1 = v; });
  c.def_property(
      "l2", [](const P& p) { return p.options.penalty.l2; }, [](P& p, double v) { p.options.penalty.l2 = v; });
  c.def("set_clipping", [](P& p, const clipping::ClipNorm& rule) { p.options.clipping = rule; });
  c.def("set_clipping", [](P& p, const clipping::AGC& rule) { p.options.clipping = rule; });
  c.def("set_early_stopping", [](P& p, Index patience, double min_delta, bool restore_best) {
    p.options.early_stop = {true, patience, min_delta, restore_best};
  });
  c.def_readwrite("schedule", &P::schedule);
  c.def_readwrite("on_epoch", &P::on_epoch);
  c.def_readwrite("monitor", &P::monitor);
}

}  // namespace lamina::bind
