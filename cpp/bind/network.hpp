/// A network in Python's hands, for one scalar type. The Python layer has checked and converted the arrays; what comes
/// here is C-contiguous, of the network's type, and of the right shape.
#pragma once

#include <algorithm>
#include <atomic>
#include <cmath>

#include "bind/memory.hpp"
#include "bind/training.hpp"
#include "kernels/reduce.hpp"
#include "model/infer.hpp"
#include "model/sequence_infer.hpp"
#include "train/gradient_check.hpp"

namespace lamina::bind {

template <class T> using Array = py::array_t<T, py::array::c_style>;

/// Samples as Python gives them: x, y (int32 labels or values), weights, index and lengths, the last four or None. For
/// a recurrent network x is (samples, steps, inputs), and y and weights have a step axis where the outputs have.
template <class T>
Samples<T> samples_from(const Network<T>& network, const Array<T>& x, const py::object& y = py::none(),
                        const py::object& weights = py::none(), const py::object& index = py::none(),
                        const py::object& lengths = py::none()) {
  Samples<T> s;
  const Index inputs = network.inputs();
  if (x.ndim() != (network.recurrent() ? 3 : 2) || x.shape(x.ndim() - 1) != inputs)
    throw py::value_error("X must be (rows" + std::string(network.recurrent() ? ", steps, " : ", ") +
                          std::to_string(inputs) + ")");
  s.steps = network.recurrent() ? x.shape(1) : 1;
  s.each_step = network.each_step();
  s.x = Matrix<const T>(x.data(), x.shape(0) * s.steps, inputs);
  s.count = x.shape(0);
  const Index targets = s.each_step ? s.x.rows() : s.count;
  if (py::isinstance<Array<std::int32_t>>(y)) {
    const auto labels = y.cast<Array<std::int32_t>>();
    if (labels.size() != targets) throw py::value_error("y must have one label a row of X");
    s.y.labels = labels.data();
  } else if (!y.is_none()) {
    const auto values = y.cast<Array<T>>();
    if (values.size() != targets * network.outputs()) throw py::value_error("y must be (rows of X, outputs)");
    s.y.values = Matrix<const T>(values.data(), targets, network.outputs());
  }
  if (!weights.is_none()) {
    const auto w = weights.cast<Array<T>>();
    if (w.size() != targets) throw py::value_error("sample_weight must have one entry a row of X");
    s.weights = Vector<const T>(w.data(), w.size());
  }
  if (!lengths.is_none()) {
    const auto l = lengths.cast<Array<std::int32_t>>();
    if (l.size() != s.count) throw py::value_error("lengths must have one entry a row of X");
    s.lengths = l.data();
  }
  if (!index.is_none()) {
    const auto i = index.cast<Array<std::int64_t>>();
    for (Index k = 0; k < i.size(); ++k) {
      if (i.data()[k] < 0 || i.data()[k] >= s.count) throw py::index_error("index out of range");
    }
    s.index = i.data();
    s.count = i.size();
  }
  return s;
}

/// Throws ValueError naming the first row of X that is not finite.
template <class T> void check_finite(const Matrix<const T>& x) {
  const Index at = kernels::first_nonfinite(x.data(), x.size());
  if (at < 0) return;
  throw py::value_error("X must be finite; got " + std::string(std::isnan(x.data()[at]) ? "NaN" : "infinity") +
                        " in row " + std::to_string(at / x.cols()) + ", column " + std::to_string(at % x.cols()));
}

/// The outputs of X: a new array. A small X is not worth letting go of the interpreter's lock.
template <class T>
py::object infer_array(const Network<T>& network, const Array<T>& x, bool link, Index threads,
                       const py::object& lengths = py::none()) {
  const Samples<T> s = samples_from<T>(network, x, py::none(), py::none(), py::none(), lengths);
  InferOptions options;
  options.link = link;
  options.finite = !s.lengths;
  std::vector<py::ssize_t> shape{s.count, network.outputs()};
  if (s.each_step) shape.insert(shape.begin() + 1, s.steps);
  py::array_t<T> out(shape);
  const Matrix<T> to(out.mutable_data(), out.size() / network.outputs(), network.outputs());
  try {
    if (is_short(network, s)) {
      infer(network, s, options, to, 1);
    } else {
      options.poll = &poll_signals;
      const py::gil_scoped_release released;
      infer(network, s, options, to, threads);
    }
  } catch (const std::domain_error&) {
    check_finite<T>(s.x);  // says where
    throw;
  } catch (const py::error_already_set& e) {
    // A custom activation, which may have met finite rows on one thread before another one met NaN.
    if (options.finite && e.matches(PyExc_Exception)) check_finite<T>(s.x);
    throw;
  }
  return std::move(out);
}

/// A network and what its optimizer remembers.
template <class T> struct NetworkHandle {
  Network<T> network;
  OptimizerMemory<T> memory;
  std::atomic<bool> training{false};
  std::unique_ptr<Stepper<T>> stepper;  ///< sequences under way, for predictions step by step

  explicit NetworkHandle(Architecture a) : network(std::move(a)) {}
  NetworkHandle(const NetworkHandle& other) : network(other.network), memory(other.memory) {
    if (!other.stepper) return;
    stepper = std::make_unique<Stepper<T>>(network, other.stepper->count());
    stepper->state().copy_from(other.stepper->state());
  }
};

/// A view of `n` elements of an arena that keeps `owner` alive.
template <class T> py::array view_of(T* data, const std::vector<py::ssize_t>& shape, const py::object& owner) {
  return py::array_t<T>(shape, data, owner);
}

template <class T> py::dict parameter_views(const py::object& self) {
  auto& h = self.cast<NetworkHandle<T>&>();
  py::dict out;
  for (const NamedParameter& p : h.network.named_parameters()) {
    std::vector<py::ssize_t> shape{p.info.columns};
    if (p.info.rows > 0) shape.insert(shape.begin(), p.info.rows);
    T* base = (p.info.trained ? h.network.parameters() : h.network.state()).data();
    out[py::str(std::to_string(p.layer) + "." + p.info.name)] = view_of(base + p.info.offset, shape, self);
  }
  return out;
}

template <class T>
void run_fit(NetworkHandle<T>& h, const Array<T>& x, const py::object& y, const py::object& weights,
             const py::object& index, const py::object& validation, const FitOptions& options, History& history,
             const py::object& lengths) {
  const Samples<T> train = samples_from<T>(h.network, x, y, weights, index, lengths);
  Samples<T> held;
  if (!validation.is_none()) {
    const auto v = validation.cast<py::tuple>();
    held = samples_from<T>(h.network, v[0].cast<Array<T>>(), v[1], v[2], v[3],
                           v.size() > 4 ? py::object(v[4]) : py::object(py::none()));
  }
  if (h.training.exchange(true)) throw std::runtime_error("this network is being trained by another thread");
  struct Reset {
    std::atomic<bool>& flag;
    ~Reset() { flag = false; }
  } reset{h.training};
  const py::gil_scoped_release released;
  fit<T>(h.network, train, held, options, h.memory, history);
}

template <class T> void bind_network(py::module_& m, const char* name) {
  using H = NetworkHandle<T>;
  py::class_<H> c(m, name, "A network of one scalar type.");
  c.def(py::init([](const std::vector<LayerSpec>& layers, Index n_inputs, const Loss& loss, std::uint64_t seed) {
          Architecture a;
          a.layers = layers;
          a.n_inputs = n_inputs;
          a.loss = loss;
          a.seed = seed;
          return std::make_unique<H>(std::move(a));
        }),
        py::arg("layers"), py::arg("n_inputs"), py::arg("loss"), py::arg("seed"));
  c.def("copy", [](const H& h) { return std::make_unique<H>(h); });
  c.def_property_readonly("n_outputs", [](const H& h) { return h.network.outputs(); });
  c.def_property_readonly("layer_outputs", [](const H& h) {
    std::vector<Index> widths;
    for (Index i = 0; i < h.network.depth(); ++i) widths.push_back(h.network.layer(i).outputs());
    return widths;
  });
  c.def_property_readonly("state_sizes", [](const H& h) {
    std::vector<Index> sizes;
    for (Index i = 0; i < h.network.depth(); ++i) {
      if (h.network.layer(i).state_size() > 0) sizes.push_back(h.network.layer(i).state_size());
    }
    return sizes;
  });
  c.def_property_readonly("trained_names", [](const H& h) {
    std::vector<std::string> out;
    for (const auto& p : h.network.named_parameters()) {
      if (p.info.trained) out.push_back(std::to_string(p.layer) + "." + p.info.name);
    }
    return out;
  });
  c.def("parameters", [](const py::object& self) { return parameter_views<T>(self); });
  c.def_property_readonly("flat_parameters", [](const py::object& self) {
    auto& h = self.cast<H&>();
    return view_of(h.network.parameters().data(), {h.network.parameters().size()}, self);
  });
  c.def_property(
      "memory", [](const H& h) { return memory_to_dict(h.memory); },
      [](H& h, const std::optional<py::dict>& memory) {
        h.memory = memory ? memory_from_dict<T>(*memory, h.network.parameters().size()) : OptimizerMemory<T>{};
      },
      "What the optimizer remembers, by name, or None before the first fit.");
  c.def("initialize", [](H& h, std::uint64_t seed) { h.network.initialize(seed); });
  c.def(
      "fit_normalization",
      [](H& h, const Array<T>& x, const py::object& weights, const py::object& lengths) {
        const Samples<T> s = samples_from<T>(h.network, x, py::none(), weights, py::none(), lengths);
        const py::gil_scoped_release released;
        h.network.set_normalization(normalization_of(s));
      },
      py::arg("x"), py::arg("weights") = py::none(), py::arg("lengths") = py::none());
  c.def_property(
      "normalization",
      [](const H& h) -> py::object {
        const Normalization<T>& n = h.network.normalization();
        if (n.empty()) return py::none();
        const auto copy = [](const std::vector<T>& v) {
          return py::array_t<T>(static_cast<py::ssize_t>(v.size()), v.data());
        };
        return py::make_tuple(copy(n.mean), copy(n.scale));
      },
      [](H& h, const py::object& value) {
        Normalization<T> n;
        if (!value.is_none()) std::tie(n.mean, n.scale) = value.cast<std::pair<std::vector<T>, std::vector<T>>>();
        h.network.set_normalization(std::move(n));
      });
  c.def("fit", &run_fit<T>, py::arg("x"), py::arg("y"), py::arg("weights"), py::arg("index"), py::arg("validation"),
        py::arg("options"), py::arg("history"), py::arg("lengths") = py::none());
  c.def(
      "infer",
      [](const H& h, const Array<T>& x, bool link, Index threads, const py::object& lengths) {
        return infer_array(h.network, x, link, threads, lengths);
      },
      py::arg("x"), py::arg("link"), py::arg("threads"), py::arg("lengths") = py::none());
  c.def(
      "step",
      [](H& h, const Array<T>& x, bool link) {
        if (!h.stepper || h.stepper->count() != x.shape(0))
          h.stepper = std::make_unique<Stepper<T>>(h.network, x.shape(0));
        const Matrix<const T> rows(x.data(), x.shape(0), x.shape(1));
        check_finite<T>(rows);
        py::array_t<T> out({x.shape(0), static_cast<py::ssize_t>(h.network.outputs())});
        h.stepper->step(h.network, rows, link, {out.mutable_data(), out.shape(0), out.shape(1)});
        return out;
      },
      py::arg("x"), py::arg("link"));
  c.def("reset_state", [](H& h) { h.stepper.reset(); });
  c.def_property_readonly("sequences_under_way", [](const H& h) { return h.stepper ? h.stepper->count() : 0; });
  c.def_property(
      "state",
      [](const H& h) -> py::object {
        if (!h.stepper) return py::none();
        return py::array_t<T>(h.stepper->state().size(), h.stepper->state().data());
      },
      [](H& h, const std::pair<Index, Array<T>>& state) {
        auto stepper = std::make_unique<Stepper<T>>(h.network, state.first);
        if (state.second.size() != stepper->state().size()) throw py::value_error("state has the wrong size");
        std::copy_n(state.second.data(), state.second.size(), stepper->state().data());
        h.stepper = std::move(stepper);
      });
  c.def_property_readonly("recurrent", [](const H& h) { return h.network.recurrent(); });
  c.def_property_readonly("each_step", [](const H& h) { return h.network.each_step(); });
  c.def(
      "infer_ready",
      [](const H& h, const py::handle x, bool link) -> py::object {
        if (!py::isinstance<Array<T>>(x)) return py::none();
        const auto array = py::reinterpret_borrow<Array<T>>(x);
        if (h.network.recurrent() || array.ndim() != 2 || array.shape(0) == 0 || array.shape(1) != h.network.inputs())
          return py::none();
        return infer_array(h.network, array, link, 0);
      },
      py::arg("x"), py::arg("link"), "The outputs, or None where X has to be converted, or refused, first.");
  c.def(
      "evaluate",
      [](const H& h, const Array<T>& x, const py::object& y, const py::object& weights, Index threads,
         const py::object& lengths) {
        const Samples<T> s = samples_from<T>(h.network, x, y, weights, py::none(), lengths);
        const py::gil_scoped_release released;
        double loss = 0;
        const Index useful = useful_threads(h.network, s.count, false, kernels::choose_threads(threads), s.steps);
        kernels::with_team(useful, [&](kernels::Team& team) { loss = evaluate_samples(h.network, team, s); });
        return loss;
      },
      py::arg("x"), py::arg("y"), py::arg("weights"), py::arg("threads"), py::arg("lengths") = py::none());
  c.def_static("first_nonfinite", [](const Array<T>& x) { return kernels::first_nonfinite(x.data(), x.size()); });
  c.def("penalty", [](const H& h, double l1, double l2) { return h.network.penalty(l1, l2); });
  c.def(
      "loss_and_gradients",
      [](const H& h, const Array<T>& x, const py::object& y, const py::object& weights, double l1, double l2,
         bool training, bool surrogates, bool with_input, Index threads, const py::object& lengths) {
        const Samples<T> s = samples_from<T>(h.network, x, y, weights, py::none(), lengths);
        py::array_t<T> gradients(h.network.parameters().size());
        py::array_t<T> input_gradient;
        if (with_input) {
          input_gradient = py::array_t<T>(std::vector<py::ssize_t>(x.shape(), x.shape() + x.ndim()));
          if (s.lengths) std::fill_n(input_gradient.mutable_data(), input_gradient.size(), T(0));
        }
        const Vector<T> g(gradients.mutable_data(), gradients.size());
        Matrix<T> dx;
        if (with_input) dx.view({input_gradient.mutable_data(), s.x.rows(), s.x.cols()});
        double loss = 0;
        {
          const py::gil_scoped_release released;
          loss = loss_and_gradients<T>(h.network, s, {{l1, l2}, training, surrogates, threads}, g, dx);
        }
        return py::make_tuple(loss, gradients, input_gradient);
      },
      py::arg("x"), py::arg("y"), py::arg("weights"), py::arg("l1"), py::arg("l2"), py::arg("training"),
      py::arg("surrogates"), py::arg("with_input"), py::arg("threads"), py::arg("lengths") = py::none());
  c.def(
      "central_differences",
      [](H& h, const Array<T>& x, const py::object& y, const py::object& weights, double l1, double l2, bool training,
         T step, const py::object& lengths) {
        const Samples<T> s = samples_from<T>(h.network, x, y, weights, py::none(), lengths);
        py::array_t<T> gradients(h.network.parameters().size());
        const Vector<T> g(gradients.mutable_data(), gradients.size());
        const py::gil_scoped_release released;
        central_differences<T>(h.network, s, {l1, l2}, training, step, g);
        return gradients;
      },
      py::arg("x"), py::arg("y"), py::arg("weights"), py::arg("l1"), py::arg("l2"), py::arg("training"),
      py::arg("step"), py::arg("lengths") = py::none());
}

}  // namespace lamina::bind
