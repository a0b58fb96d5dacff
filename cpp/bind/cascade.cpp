/// Cascade-correlation in Python's hands. The Python layer has checked and converted the arrays.
#include "train/cascade.hpp"

#include "bind/registry.hpp"
#include "bind/training.hpp"

namespace lamina::bind {
namespace {

template <class T> using Array = py::array_t<T, py::array::c_style>;

template <class T> Rows<T> rows_of(const Array<T>& x) {
  if (x.ndim() != 2) throw py::value_error("X must have 2 axes");
  return {x.data(), x.shape(0), x.shape(1)};
}

template <class T> void bind_scalar(py::module_& m) {
  m.def(
      "cascade_fit",
      [](const Array<T>& x, const Array<T>& t, const py::object& held, CascadeOptions options, CascadeResult& result,
         const py::object& on_stage) {
        if (t.ndim() != 2 || t.shape(0) != x.shape(0)) throw py::value_error("targets must be (rows of X, outputs)");
        Array<T> held_x, held_t;
        Rows<T> held_rows;
        if (!held.is_none()) {
          std::tie(held_x, held_t) = held.cast<std::pair<Array<T>, Array<T>>>();
          held_rows = rows_of(held_x);
          if (held_rows.columns != x.shape(1) || held_t.size() != held_rows.rows * t.shape(1)) {
            throw py::value_error("the validation set must have the columns of the training set");
          }
        }
        options.poll = &poll_signals;
        if (!on_stage.is_none()) {
          options.on_stage = [&] {
            const py::gil_scoped_acquire locked;
            return on_stage().cast<bool>();
          };
        }
        const T* held_targets = held.is_none() ? nullptr : held_t.data();
        const Rows<T> rows = rows_of(x);
        const Index outputs = t.shape(1);
        const py::gil_scoped_release released;
        fit_cascade<T>(rows, t.data(), outputs, held_rows, held_targets, options, result);
      },
      py::arg("x").noconvert(), py::arg("targets").noconvert(), py::arg("held"), py::arg("options"), py::arg("result"),
      py::arg("on_stage") = py::none());
  m.def(
      "cascade_infer",
      [](const CascadeShape& shape, const Array<T>& parameters, const Array<T>& x, bool link, Index threads) {
        const Rows<T> rows = rows_of(x);
        if (rows.columns != shape.inputs || parameters.size() != shape.parameters()) {
          throw py::value_error("X and the parameters must fit the network");
        }
        py::array_t<T> out({rows.rows, shape.outputs});
        T* to = out.mutable_data();
        const py::gil_scoped_release released;
        infer_cascade<T>(shape, parameters.data(), rows, link, threads, to);
        return out;
      },
      py::arg("shape"), py::arg("parameters").noconvert(), py::arg("x").noconvert(), py::arg("link"),
      py::arg("threads"));
  m.def(
      "cascade_correlation",
      [](const Activation& f, const Array<T>& x, const Array<T>& w, const Array<T>& error) {
        const Rows<T> rows = rows_of(x), errors = rows_of(error);
        if (errors.rows != rows.rows || w.size() != rows.columns + 1) throw py::value_error("shapes do not agree");
        py::array_t<T> gradient(w.size());
        const double score =
            cascade_correlation<T>(f, rows, w.data(), errors.data, errors.columns, gradient.mutable_data());
        return py::make_tuple(score, gradient);
      },
      py::arg("activation"), py::arg("x").noconvert(), py::arg("w").noconvert(), py::arg("error").noconvert());
}

}  // namespace

void bind_cascade(py::module_& m) {
  py::class_<PhaseLimits>(m, "PhaseLimits", "When a phase of cascade-correlation ends.")
      .def(py::init<Index, Index, double>(), py::arg("epochs"), py::arg("patience"), py::arg("threshold"));
  using O = CascadeOptions;
  py::class_<O>(m, "CascadeOptions", "How a network grows.")
      .def(py::init<>())
      .def_readwrite("pool", &O::pool)
      .def_readwrite("candidates", &O::candidates)
      .def_readwrite("max_units", &O::max_units)
      .def_readwrite("output", &O::output)
      .def_readwrite("rprop", &O::rprop)
      .def_readwrite("output_rate", &O::output_rate)
      .def_readwrite("candidate_rate", &O::candidate_rate)
      .def_readwrite("mu", &O::mu)
      .def_readwrite("decay", &O::decay)
      .def_readwrite("output_phase", &O::output_phase)
      .def_readwrite("candidate_phase", &O::candidate_phase)
      .def_readwrite("tolerance", &O::tolerance)
      .def_readwrite("deviation", &O::deviation)
      .def_readwrite("unit_patience", &O::unit_patience)
      .def_readwrite("weight_range", &O::weight_range)
      .def_readwrite("seed", &O::seed)
      .def_readwrite("threads", &O::threads);
  using R = CascadeResult;
  py::class_<R>(m, "CascadeResult", "The network as it grew.")
      .def(py::init<>())
      .def_readonly("units", &R::units)
      .def_readonly("unit_weights", &R::unit_weights)
      .def_readonly("output_weights", &R::output_weights)
      .def_readonly("error", &R::error)
      .def_readonly("validation_error", &R::validation_error)
      .def_readonly("output_epochs", &R::output_epochs)
      .def_readonly("correlation", &R::correlation)
      .def_readonly("candidate_epochs", &R::candidate_epochs)
      .def_readonly("wrong", &R::wrong)
      .def_readonly("best", &R::best)
      .def_readonly("stop_reason", &R::stop_reason)
      .def_readonly("diverged", &R::diverged);
  py::class_<CascadeShape>(m, "CascadeShape", "What a grown network is, beside its weights.")
      .def(py::init([](Index inputs, Index outputs, std::vector<Activation> units, const Activation& output) {
             return CascadeShape{inputs, outputs, std::move(units), output};
           }),
           py::arg("inputs"), py::arg("outputs"), py::arg("units"), py::arg("output"));
  bind_scalar<float>(m);
  bind_scalar<double>(m);
}

}  // namespace lamina::bind
