/// Cascade-correlation in Python's hands. The Python layer has checked and converted the arrays.
#include "train/cascade.hpp"

#include "bind/lock.hpp"
#include "bind/registry.hpp"
#include "model/normalization.hpp"

namespace lamina::bind {
namespace {

template <class T> using Array = py::array_t<T, py::array::c_style>;

template <class T> Matrix<const T> matrix_of(const Array<T>& x, const char* name) {
  if (x.ndim() != 2) throw py::value_error(std::string(name) + " must have 2 axes");
  return {x.data(), x.shape(0), x.shape(1)};
}

template <class T> CascadeSet<T> set_of(const Array<T>& x, const Array<T>& targets) {
  const CascadeSet<T> set{matrix_of(x, "X"), matrix_of(targets, "targets")};
  if (set.x.rows() != set.t.rows()) throw py::value_error("targets must be (rows of X, outputs)");
  return set;
}

template <class T> void bind_scalar(py::module_& m) {
  m.def(
      "cascade_fit",
      [](const Array<T>& x, const Array<T>& t, const py::object& held, CascadeOptions options, CascadeResult& result,
         const py::object& on_stage) {
        const CascadeSet<T> train = set_of(x, t);
        std::pair<Array<T>, Array<T>> held_arrays;  // kept alive
        if (!held.is_none()) held_arrays = held.cast<std::pair<Array<T>, Array<T>>>();
        const CascadeSet<T> validation =
            held.is_none() ? CascadeSet<T>{} : set_of(held_arrays.first, held_arrays.second);
        if (!held.is_none() && (validation.x.cols() != train.x.cols() || validation.t.cols() != train.t.cols()))
          throw py::value_error("the validation set must have the columns of the training set");
        options.poll = &poll_signals;
        if (!on_stage.is_none()) {
          options.on_stage = [&] {
            const Locked locked;
            return call(on_stage).cast<bool>();
          };
        }
        const Unlocked unlocked;
        fit_cascade(train, validation, options, result);
      },
      py::arg("x").noconvert(), py::arg("targets").noconvert(), py::arg("held"), py::arg("options"), py::arg("result"),
      py::arg("on_stage") = py::none());
  m.def(
      "normalization_of",
      [](const Array<T>& x) {
        const Normalization<T> n = normalization_of(matrix_of(x, "X"));
        const auto array = [](const std::vector<T>& v) { return py::array_t<T>(v.size(), v.data()); };
        return py::make_tuple(array(n.mean), array(n.scale));
      },
      py::arg("x").noconvert(),
      "Mean and 1 / standard deviation by column: the rule of Network's input normalisation.");
  m.def(
      "normalized",
      [](const Array<T>& x, const Array<T>& mean, const Array<T>& scale) {
        const Normalization<T> n{{mean.data(), mean.data() + mean.size()}, {scale.data(), scale.data() + scale.size()}};
        n.check(x.shape(1));
        py::array_t<T> out({x.shape(0), x.shape(1)});
        n.apply(matrix_of(x, "X"), {out.mutable_data(), x.shape(0), x.shape(1)});
        return out;
      },
      py::arg("x").noconvert(), py::arg("mean"), py::arg("scale"), "(x - mean) * scale.");
  m.def(
      "cascade_infer",
      [](const CascadeShape& shape, const Array<T>& parameters, const Array<T>& x, bool link, Index threads) {
        const Matrix<const T> rows = matrix_of(x, "X");
        if (rows.cols() != shape.inputs || parameters.size() != shape.parameters())
          throw py::value_error("X and the parameters must fit the network");
        py::array_t<T> out({rows.rows(), shape.outputs});
        const Matrix<T> to(out.mutable_data(), rows.rows(), shape.outputs);
        const Unlocked unlocked;
        infer_cascade<T>(shape, {parameters.data(), parameters.size()}, rows, link, threads, to);
        return out;
      },
      py::arg("shape"), py::arg("parameters").noconvert(), py::arg("x").noconvert(), py::arg("link"),
      py::arg("threads"));
  m.def(
      "cascade_correlation",
      [](const Activation& f, const Array<T>& x, const Array<T>& w, const Array<T>& error) {
        const CascadeSet<T> set = set_of(x, error);
        if (w.size() != set.x.cols() + 1) throw py::value_error("w must be (1 + columns of X)");
        py::array_t<T> gradient(w.size());
        const double score =
            cascade_correlation<T>(f, set.x, {w.data(), w.size()}, set.t, {gradient.mutable_data(), gradient.size()});
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
