/// Activations, losses and initialisers as Python objects.
#include <algorithm>
#include <cmath>

#include "bind/registry.hpp"
#include "math/activate.hpp"

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
      const py::gil_scoped_release released;
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

/// Labels (rows,) as rows of zeros with a one; ValueError for a label that is no column.
Doubles one_hot(const Doubles& labels, Index n) {
  Doubles out(std::vector<py::ssize_t>{labels.size(), n});
  std::fill_n(out.mutable_data(), out.size(), 0.0);
  for (Index i = 0; i < labels.size(); ++i) {
    const double label = labels.data()[i];
    if (!(label >= 0 && label < static_cast<double>(n) && label == std::floor(label))) {
      throw py::value_error("target must hold labels in 0 .. " + std::to_string(n - 1) + "; got " +
                            std::to_string(label));
    }
    out.mutable_data()[i * n + static_cast<Index>(label)] = 1;
  }
  return out;
}

double loss_value(const NamedLoss& l, const Doubles& outputs, const py::object& target, const py::object& sample_weight,
                  py::array_t<double>* gradient) {
  if (outputs.ndim() != 2)
    throw py::value_error("outputs must be (rows, outputs); got " + std::to_string(outputs.ndim()) + " axes");
  const Index rows = outputs.shape(0), n = outputs.shape(1);
  if (rows < 1 || n < 1) throw py::value_error("outputs must have at least one row and one column");
  Targets<double> y;
  py::array_t<std::int32_t, py::array::c_style | py::array::forcecast> labels;
  Doubles values, weights;
  const auto array = py::array::ensure(target);
  if (!array || array.ndim() < 1 || array.shape(0) != rows)
    throw py::value_error("target must have one entry for each of the " + std::to_string(rows) + " rows of outputs");
  if (targets_of(l.entry) == TargetKind::classes && array.ndim() == 1) {
    labels = decltype(labels)::ensure(target);
    for (Index i = 0; i < rows; ++i) {
      if (labels.at(i) < 0 || labels.at(i) >= n)
        throw py::value_error("target must hold labels in 0 .. " + std::to_string(n - 1) + "; got " +
                              std::to_string(labels.at(i)));
    }
    y.labels = labels.data();
  } else {
    values = decltype(values)::ensure(target);
    if (!values) throw py::type_error("target must hold numbers; got dtype " + str_of(array.dtype()));
    if (targets_of(l.entry) == TargetKind::binary && array.ndim() == 1 && n > 1) values = one_hot(values, n);
    if (values.size() != rows * n) {
      throw py::value_error("target must have the shape of outputs, (" + std::to_string(rows) + ", " +
                            std::to_string(n) + "); got " + std::to_string(values.size()) + " entries");
    }
    y.values = Matrix<const double>(values.data(), rows, n);
  }
  Vector<const double> w;
  if (!sample_weight.is_none()) {
    weights = decltype(weights)::ensure(sample_weight);
    if (!weights || weights.size() != rows) throw py::value_error("sample_weight must have one entry a row");
    w = Vector<const double>(weights.data(), rows);
  }
  const Matrix<double> delta = gradient ? Matrix<double>(gradient->mutable_data(), rows, n) : Matrix<double>();
  return mean_loss<double>(l.entry, {outputs.data(), rows, n}, {y, w}, delta);
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
}

}  // namespace lamina::bind
