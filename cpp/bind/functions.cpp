/// Activations, losses and initialisers as Python objects.
#include <algorithm>

#include "bind/lock.hpp"
#include "bind/registry.hpp"
#include "math/activate.hpp"
#include "math/trace.hpp"
#include "model/targets.hpp"

namespace lamina::bind {
namespace {

/// f over an array of any shape: float32 stays float32, everything else becomes float64.
template <class F32, class F64> py::object over_array(const py::object& x, F32&& f32, F64&& f64) {
  const auto run = [&](auto array, auto&& f) {
    using T = typename decltype(array)::value_type;
    if (!array) throw py::type_error("x must be an array of numbers; got " + repr_of(x));
    py::array_t<T> out(std::vector<py::ssize_t>(array.shape(), array.shape() + array.ndim()));
    const Index units = array.ndim() > 0 ? array.shape(array.ndim() - 1) : 1;
    const T* from = array.data();
    T* to = out.mutable_data();
    const Index n = array.size();
    {
      const Unlocked unlocked;
      const Index rows = units > 0 ? n / units : 0;
      f(Matrix<const T>(from, rows, units), Matrix<T>(to, rows, units));
    }
    return py::object(out.ndim() == 0 ? out[py::tuple()] : py::object(out));
  };
  const bool single = py::isinstance<py::array_t<float>>(x);
  if (single) return run(py::array_t<float, py::array::c_style | py::array::forcecast>::ensure(x), f32);
  auto array = py::array::ensure(x);
  if (array && std::string("fiub").find(array.dtype().kind()) == std::string::npos) {
    throw py::type_error("x must be an array of numbers; got dtype " + str_of(array.dtype()));
  }
  return run(py::array_t<double, py::array::c_style | py::array::forcecast>::ensure(x), f64);
}

using Doubles = py::array_t<double, py::array::c_style | py::array::forcecast>;

double loss_value(const NamedLoss& l, const Doubles& outputs, const py::object& target, const py::object& sample_weight,
                  py::array_t<double>* gradient) {
  if (outputs.ndim() != 2)
    throw py::value_error("outputs must be (rows, outputs); got " + std::to_string(outputs.ndim()) + " axes");
  const Index rows = outputs.shape(0), n = outputs.shape(1);
  if (rows < 1 || n < 1) throw py::value_error("outputs must have at least one row and one column");
  Samples<double> samples;
  samples.x = Matrix<const double>(outputs.data(), rows, n);
  samples.count = rows;
  Targets<double>& y = samples.y;
  py::array_t<std::int32_t, py::array::c_style | py::array::forcecast> labels;
  Doubles values, weights;
  const auto array = py::array::ensure(target);
  if (!array || array.ndim() < 1 || array.shape(0) != rows)
    throw py::value_error("target must have one entry for each of the " + std::to_string(rows) + " rows of outputs");
  const TargetKind kind = targets_of(l.entry);
  if (array.ndim() == 1 && (kind == TargetKind::classes || (kind == TargetKind::binary && n > 1))) {
    const Doubles given = Doubles::ensure(target);
    if (!given) throw py::type_error("target must hold numbers; got dtype " + str_of(array.dtype()));
    labels = decltype(labels)(rows);
    labels_of({given.data(), rows}, n, "target", labels.mutable_data());
    y.labels = labels.data();
  }
  if (y.labels && kind == TargetKind::binary) {
    values = Doubles(std::vector<py::ssize_t>{rows, n});
    one_hot<double>(labels.data(), {values.mutable_data(), rows, n});
    y = {};
  } else if (!y.labels) {
    values = decltype(values)::ensure(target);
    if (!values) throw py::type_error("target must hold numbers; got dtype " + str_of(array.dtype()));
    if (values.size() != rows * n) {
      throw py::value_error("target must have the shape of outputs, (" + std::to_string(rows) + ", " +
                            std::to_string(n) + "); got " + std::to_string(values.size()) + " entries");
    }
  }
  if (!y.labels) y.values = Matrix<const double>(values.data(), rows, n);
  Vector<const double> w;
  if (!sample_weight.is_none()) {
    weights = decltype(weights)::ensure(sample_weight);
    if (!weights || weights.size() != rows) throw py::value_error("sample_weight must have one entry a row");
    w = Vector<const double>(weights.data(), rows);
  }
  const Matrix<double> delta = gradient ? Matrix<double>(gradient->mutable_data(), rows, n) : Matrix<double>();
  return mean_loss<double>(l.entry, {outputs.data(), rows, n}, {y, w}, delta);
}

/// Targets as the core takes them: int32 labels (rows,), or values (rows, outputs).
template <class T> Samples<T> targets_from(const py::array& array, Index outputs) {
  Samples<T> s;
  s.count = array.shape(0);
  s.x = Matrix<const T>(nullptr, s.count, 0);
  if (array.ndim() == 1) s.y.labels = static_cast<const std::int32_t*>(array.data());
  else s.y.values = Matrix<const T>(static_cast<const T*>(array.data()), s.count, outputs);
  return s;
}

/// f of the targets in the type they have.
template <class F> auto with_targets(const py::array& array, F&& f) {
  const bool contiguous = (array.flags() & py::array::c_style) != 0;
  const bool labels = contiguous && array.ndim() == 1 && py::isinstance<py::array_t<std::int32_t>>(array);
  const Index outputs = array.ndim() == 2 ? array.shape(1) : 0;
  if (labels || (contiguous && array.ndim() == 2 && py::isinstance<py::array_t<float>>(array)))
    return f(targets_from<float>(array, outputs));
  if (contiguous && array.ndim() == 2 && py::isinstance<py::array_t<double>>(array))
    return f(targets_from<double>(array, outputs));
  throw py::type_error("targets must be int32 labels (rows,) or floats (rows, outputs), C-contiguous");
}

void bind_targets(py::module_& m) {
  m.def(
      "check_targets",
      [](const NamedLoss& l, const py::array& targets, Index outputs, const std::string& name) {
        if (targets.ndim() == 2 && targets.shape(1) != outputs)
          throw py::value_error(name + " must have " + std::to_string(outputs) +
                                " columns, as the network has outputs; got " + std::to_string(targets.shape(1)));
        with_targets(targets, [&](const auto& samples) { check_targets(l.entry, samples, outputs, name); });
      },
      py::arg("loss"), py::arg("targets").noconvert(), py::arg("outputs"), py::arg("name") = "y",
      "Throws ValueError unless the loss takes these targets: int32 labels (rows,), or floats (rows, outputs).");
  m.def(
      "classes_of",
      [](const NamedLoss& l, const py::array& targets) -> py::object {
        const Index outputs = targets.ndim() == 2 ? targets.shape(1) : 0;
        const std::vector<std::int32_t> classes =
            with_targets(targets, [&](const auto& samples) { return classes_of(l.entry, samples, outputs); });
        if (classes.empty()) return py::none();
        return py::array_t<std::int32_t>(static_cast<py::ssize_t>(classes.size()), classes.data());
      },
      py::arg("loss"), py::arg("targets").noconvert(),
      "The class of every row of such targets, int32; None where they are no classes.");
}

/// (nodes, results), a node being (op, type, arguments, value).
py::tuple shown(const Expression& e, const std::vector<const char*>& inputs) {
  py::list nodes;
  for (std::size_t i = 0; i < e.nodes.size(); ++i) {
    const Node& n = e.nodes[i];
    const std::string op = n.op;
    const bool whole = n.type == NodeType::int32 || n.type == NodeType::int64;
    py::object value = py::none();
    if (op == "input") value = py::str(inputs[i]);
    else if (whole && (op == "constant" || op.rfind("shift", 0) == 0)) value = py::int_(n.whole);
    else if (op == "constant") value = py::float_(n.number);
    nodes.append(
        py::make_tuple(op, node_type_names[static_cast<std::size_t>(n.type)], py::tuple(py::cast(n.arguments)), value));
  }
  return py::make_tuple(nodes, py::tuple(py::cast(e.results)));
}

py::tuple expression(const py::object& part, const std::string& dtype, bool open, bool parametric) {
  if (dtype != "float32" && dtype != "float64")
    throw py::value_error("dtype must be 'float32' or 'float64'; got '" + dtype + "'");
  const TraceOptions options{dtype == "float32" ? NodeType::float32 : NodeType::float64, open};
  if (!parametric && py::isinstance<py::str>(part)) {
    const auto name = part.cast<std::string>();
    for (const NamedFormula& formula : formulas()) {
      if (name == formula.name) return shown(expression_of(name, options), formula.inputs);
    }
  }
  Activation f;
  if (!load_named(part, f))
    throw py::type_error("part must be an activation, its name or the name of a formula; got " + repr_of(part));
  if (is_custom(f))
    throw py::type_error("activation '" + name_of(f) +
                         "' is made from functions of your own, of which nobody knows the formula; use one of "
                         "lamina.activations.names()");
  return shown(expression_of(f, parametric, options), {"x", "slope"});
}

void bind_expressions(py::module_& m) {
  m.def("expression", &expression, py::arg("part"), py::arg("dtype"), py::arg("open") = false,
        py::arg("parametric") = false,
        "(nodes, results) of a formula: an activation's, or one of formula_names(). A node is (op, type, arguments, "
        "value); arguments are numbers of nodes before it. With open=True elementary functions unfold.");
  m.def(
      "start_slopes",
      [](const NamedActivation& f, Index units) {
        std::vector<double> slopes;
        for (Index j = 0; j < units; ++j) slopes.push_back(slope_at_start<double>(f.entry, j));
        return slopes;
      },
      py::arg("activation"), py::arg("units"),
      "The slope of each unit where none is learned: its parity, the mean of random ones, or where learned ones "
      "start.");
  m.def(
      "formula_names",
      [] {
        py::dict names;
        for (const NamedFormula& formula : formulas()) names[formula.name] = py::tuple(py::cast(formula.inputs));
        return names;
      },
      "The formulas that `expression` knows beside activations, and what their inputs are.");
}

}  // namespace

void bind_functions(py::module_& m) {
  bind_named<Activation>(m, "ActivationFunction", "lamina.activations")
      .def(
          "__call__",
          [](const NamedActivation& a, const py::object& x) {
            return over_array(
                x, [&](auto... v) { evaluate<float>(a.entry, v...); },
                [&](auto... v) { evaluate<double>(a.entry, v...); });
          },
          py::arg("x"), "f(x) element-wise: float32 or float64 in, the same out, any shape.")
      .def(
          "derivative",
          [](const NamedActivation& a, const py::object& x) {
            return over_array(
                x, [&](auto... v) { evaluate_derivative<float>(a.entry, v...); },
                [&](auto... v) { evaluate_derivative<double>(a.entry, v...); });
          },
          py::arg("x"), "f'(x) element-wise, the true derivative (0 everywhere for heaviside and sign).")
      .def_property_readonly(
          "has_surrogate", [](const NamedActivation& a) { return has_surrogate(a.entry); },
          "Whether training uses a straight-through estimator in place of the derivative.");
  bind_named<Loss>(m, "LossFunction", "lamina.losses")
      .def(
          "value",
          [](const NamedLoss& l, const Doubles& outputs, const py::object& target, const py::object& sample_weight) {
            return loss_value(l, outputs, target, sample_weight, nullptr);
          },
          py::arg("outputs"), py::arg("target"), py::arg("sample_weight") = py::none(),
          "The loss of raw outputs (rows, outputs), averaged over the weight sum.")
      .def(
          "gradient",
          [](const NamedLoss& l, const Doubles& outputs, const py::object& target, const py::object& sample_weight) {
            py::array_t<double> g(std::vector<py::ssize_t>(outputs.shape(), outputs.shape() + outputs.ndim()));
            loss_value(l, outputs, target, sample_weight, &g);
            return g;
          },
          py::arg("outputs"), py::arg("target"), py::arg("sample_weight") = py::none(),
          "d loss / d outputs, (rows, outputs).")
      .def_property_readonly(
          "targets", [](const NamedLoss& l) { return target_names[static_cast<std::size_t>(targets_of(l.entry))]; },
          "What targets it takes: real, count, classes or binary.")
      .def_property_readonly(
          "target_domain", [](const NamedLoss& l) { return fields_of(target_domain(l.entry)); },
          "Which numbers they may be: low, high, whole; for binary ones the border between the classes; and a text.")
      .def_property_readonly(
          "link", [](const NamedLoss& l) { return link_names[static_cast<std::size_t>(link_of(l.entry))]; },
          "What turns raw outputs into predictions: identity, softmax, logistic or exponential.");
  bind_named<Initializer>(m, "InitializerFunction", "lamina.initializers");
  bind_targets(m);
  bind_expressions(m);
}

}  // namespace lamina::bind
