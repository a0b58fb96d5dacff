/// Cascade-correlation in Python's hands. The Python layer has checked and converted the arrays.
#include "train/cascade.hpp"

#include "bind/callable.hpp"
#include "model/samples.hpp"

namespace lamina::bind {
namespace {

struct PythonStageHook {
  Callable f;
  bool operator()() const {
    return locked([this] { return call(f.object()).cast<bool>(); });
  }
};

}  // namespace
}  // namespace lamina::bind

namespace pybind11::detail {
template <> struct type_caster<lamina::StageHook> : hook_caster<lamina::bind::PythonStageHook, lamina::StageHook> {};
}  // namespace pybind11::detail

namespace lamina::bind {
namespace {

template <class T> using Array = py::array_t<T, py::array::c_style>;

template <class T> Matrix<const T> matrix_of(const Array<T>& x, const char* name) {
  if (x.ndim() != 2) throw py::value_error(std::string(name) + " must have 2 axes");
  return {x.data(), x.shape(0), x.shape(1)};
}

/// Row weights, or none.
template <class T> Vector<const T> vector_of(const std::optional<Array<T>>& weights) {
  if (!weights) return {};
  if (weights->ndim() != 1) throw py::value_error("weights must have 1 axis");
  return {weights->data(), weights->size()};
}

/// Arrays that are kept alive, and the set that they are.
template <class T> struct Set {
  Array<T> x, targets;
  std::optional<Array<T>> weights;
  CascadeSet<T> view() const {
    const CascadeSet<T> set{matrix_of(x, "X"), matrix_of(targets, "targets"), vector_of(weights)};
    if (set.x.rows() != set.t.rows() || (weights && set.weights.size() != set.x.rows()))
      throw py::value_error("targets and weights must have the rows of X");
    return set;
  }
};

template <class T> void bind_scalar(py::module_& m) {
  m.def(
      "cascade_fit",
      [](const Array<T>& x, const Array<T>& t, const std::optional<Array<T>>& weights, const py::object& held,
         const CascadeOptions& options, CascadeResult& result) {
        const Set<T> given{x, t, weights};
        std::optional<Set<T>> apart;
        if (!held.is_none()) {
          const auto parts = held.cast<py::tuple>();
          apart =
              Set<T>{parts[0].cast<Array<T>>(), parts[1].cast<Array<T>>(), parts[2].cast<std::optional<Array<T>>>()};
        }
        const CascadeSet<T> train = given.view(), validation = apart ? apart->view() : CascadeSet<T>{};
        const Unlocked unlocked;
        fit_cascade(train, validation, options, result);
      },
      py::arg("x").noconvert(), py::arg("targets").noconvert(), py::arg("weights").noconvert(), py::arg("held"),
      py::arg("options"), py::arg("result"));
  m.def(
      "normalization_of",
      [](const Array<T>& x, const std::optional<Array<T>>& weights) {
        Samples<T> rows;
        rows.x = matrix_of(x, "X");
        rows.weights = vector_of(weights);
        rows.count = rows.x.rows();
        if (!rows.weights.empty() && rows.weights.size() != rows.count)
          throw py::value_error("weights must have the rows of X");
        Normalization<T> n;
        {
          const Unlocked unlocked;
          n = normalization_of(rows, Normalizing::standard, &poll_signals);
        }
        const auto array = [](const std::vector<T>& v) { return py::array_t<T>(v.size(), v.data()); };
        return py::make_tuple(array(n.mean), array(n.scale));
      },
      py::arg("x").noconvert(), py::arg("weights").noconvert() = py::none(),
      "Mean and 1 / standard deviation by column: the rule of Network's input normalisation.");
  m.def(
      "normalized",
      [](const Array<T>& x, const Array<T>& mean, const Array<T>& scale) {
        const Normalization<T> n{
            {mean.data(), mean.data() + mean.size()}, {scale.data(), scale.data() + scale.size()}, {}, false};
        if (x.ndim() != 2 || n.mean.empty())
          throw py::value_error("X must have 2 axes, mean and scale an entry by column");
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
        infer_cascade<T>(shape, {parameters.data(), parameters.size()}, rows, {link, threads, &poll_signals}, to);
        return out;
      },
      py::arg("shape"), py::arg("parameters").noconvert(), py::arg("x").noconvert(), py::arg("link"),
      py::arg("threads"));
  m.def(
      "cascade_correlation",
      [](const Activation& f, const Array<T>& x, const Array<T>& w, const Array<T>& error,
         const std::optional<Array<T>>& weights) {
        const Set<T> given{x, error, weights};
        if (w.size() != x.shape(1) + 1) throw py::value_error("w must be (1 + columns of X)");
        py::array_t<T> gradient(w.size());
        const double score =
            cascade_correlation<T>(f, given.view(), {w.data(), w.size()}, {gradient.mutable_data(), gradient.size()});
        return py::make_tuple(score, gradient);
      },
      py::arg("activation"), py::arg("x").noconvert(), py::arg("w").noconvert(), py::arg("error").noconvert(),
      py::arg("weights").noconvert() = py::none());
}

}  // namespace

void bind_cascade(py::module_& m) {
  py::class_<PhaseLimits> phase(m, "PhaseLimits", "When a phase of cascade-correlation ends.");
  bind_constructor(phase);
  bind_fields(phase);
  py::class_<CascadeOptions> options(m, "CascadeOptions", "How a network grows.");
  bind_options(options);
  py::class_<CascadeResult> result(m, "CascadeResult", "The network as it grew.");
  bind_constructor(result);
  bind_fields(result, no_field);
  py::class_<CascadeShape>(m, "CascadeShape", "What a grown network is, beside its weights.")
      .def(py::init([](Index inputs, Index outputs, std::vector<Activation> units, const Activation& output) {
             return CascadeShape{inputs, outputs, std::move(units), output};
           }),
           py::arg("inputs"), py::arg("outputs"), py::arg("units"), py::arg("output"));
  bind_scalar<float>(m);
  bind_scalar<double>(m);
}

}  // namespace lamina::bind
