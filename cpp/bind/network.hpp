/// A network in Python's hands, for one scalar type. The Python layer has checked and converted the arrays; what comes
/// here is C-contiguous, of the network's type, and of the right shape.
#pragma once

#include <algorithm>
#include <atomic>
#include <cmath>

#include "bind/callable.hpp"
#include "bind/checkpoint.hpp"
#include "bind/lock.hpp"
#include "bind/memory.hpp"
#include "bind/turnstile.hpp"
#include "kernels/reduce.hpp"
#include "model/infer.hpp"
#include "model/sequence_infer.hpp"
#include "model/targets.hpp"
#include "train/gradient_check.hpp"

namespace lamina::bind {

template <class T> using Array = py::array_t<T, py::array::c_style>;

/// The names of what Python's records of samples hold: made once, as a name looked up is.
struct SampleNames {
  static py::str interned(const char* name) { return py::reinterpret_steal<py::str>(PyUnicode_InternFromString(name)); }
  const py::str x = interned("x"), targets = interned("targets"), weights = interned("weights"),
                lengths = interned("lengths"), samples = interned("samples"), rows = interned("rows"),
                held_out = interned("held_out");
  static const SampleNames& get() {
    static const auto* const names = new SampleNames;  // for ever: at the process's end there may be no interpreter
    return *names;
  }
};

/// An attribute of a record that is an array just as the core wants it, so that the record stays its owner.
template <class A> A owned(const py::object& array, const char* what) {
  if (!py::isinstance<A>(array)) throw py::type_error(std::string(what) + " must be a C-contiguous array of its type");
  return py::reinterpret_borrow<A>(array);
}

/// The rows of X, (rows, inputs), or for a recurrent network sequences, (samples, steps, inputs), with their lengths.
template <class T> Samples<T> inputs_from(const Network<T>& network, const Array<T>& x, const py::object& lengths) {
  Samples<T> s;
  const Index inputs = network.inputs();
  if (x.ndim() != (network.recurrent() ? 3 : 2) || x.shape(x.ndim() - 1) != inputs)
    throw py::value_error("X must be (rows" + std::string(network.recurrent() ? ", steps, " : ", ") +
                          std::to_string(inputs) + ")");
  if (x.shape(0) < 1 || x.shape(x.ndim() - 2) < 1) throw py::value_error("X must have at least one row and one step");
  s.steps = network.recurrent() ? x.shape(1) : 1;
  s.each_step = network.each_step();
  s.x = Matrix<const T>(x.data(), x.shape(0) * s.steps, inputs);
  s.count = x.shape(0);
  if (lengths.is_none()) return s;
  const auto l = owned<Array<std::int32_t>>(lengths, "lengths");
  if (l.size() != s.count) throw py::value_error("lengths must have one entry a row of X");
  for (Index i = 0; i < s.count; ++i) {
    if (l.data()[i] < 1 || l.data()[i] > s.steps) throw py::value_error("lengths must lie in 1 .. the steps of X");
  }
  s.lengths = l.data();
  return s;
}

/// A record of samples: x, targets (int32 labels or values), weights and lengths, the last two or None; they are the
/// owners of the memory. `rows` of them, by number, or None for all. For a recurrent network targets and weights have a
/// step axis where the outputs have.
template <class T>
Samples<T> samples_from(const Network<T>& network, py::handle record, const py::object& rows = py::none()) {
  const SampleNames& names = SampleNames::get();
  Samples<T> s = inputs_from<T>(network, owned<Array<T>>(record.attr(names.x), "X"), record.attr(names.lengths));
  const Index targets = s.each_step ? s.x.rows() : s.count;
  const py::object y = record.attr(names.targets), weights = record.attr(names.weights);
  if (py::isinstance<Array<std::int32_t>>(y)) {
    const auto labels = py::reinterpret_borrow<Array<std::int32_t>>(y);
    if (labels.size() != targets) throw py::value_error("y must have one label a row of X");
    if (targets_of(network.loss()) != TargetKind::classes) throw py::value_error("y must hold values for this loss");
    s.y.labels = labels.data();
  } else {
    const auto values = owned<Array<T>>(y, "y");
    if (values.size() != targets * network.outputs()) throw py::value_error("y must be (rows of X, outputs)");
    s.y.values = Matrix<const T>(values.data(), targets, network.outputs());
  }
  if (!weights.is_none()) {
    const auto w = owned<Array<T>>(weights, "sample_weight");
    if (w.size() != targets) throw py::value_error("sample_weight must have one entry a row of X");
    s.weights = Vector<const T>(w.data(), w.size());
  }
  if (!rows.is_none()) {
    const auto i = owned<Array<std::int64_t>>(rows, "rows");
    for (Index k = 0; k < i.size(); ++k) {
      if (i.data()[k] < 0 || i.data()[k] >= s.count) throw py::index_error("a row is out of range");
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
  const Samples<T> s = inputs_from<T>(network, x, lengths);
  InferOptions options;
  options.link = link;
  options.finite = !s.lengths;
  const Index outputs = network.outputs();
  py::array_t<T> out = s.each_step ? py::array_t<T>({s.count, s.steps, outputs}) : py::array_t<T>({s.count, outputs});
  const Matrix<T> to(out.mutable_data(), out.size() / outputs, outputs);
  try {
    if (is_short(network, s)) {
      infer(network, s, options, to, 1);
    } else {
      options.poll = &poll_signals;
      const Unlocked unlocked;
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
  Turnstile turnstile;
  std::shared_ptr<Stepper<T>> stepper;  ///< sequences under way, for predictions step by step
  std::atomic<bool> stepping{false};

  explicit NetworkHandle(Architecture a) : network(std::move(a)) {}
  NetworkHandle(const Network<T>& other, const OptimizerMemory<T>& remembered) : network(other), memory(remembered) {}
};

/// A copy between two steps, with the optimizer's memory or without. Of custom parts it shares the functions.
template <class T> std::unique_ptr<NetworkHandle<T>> copy_of(NetworkHandle<T>& h, bool with_memory) {
  std::optional<Arena<T>> carried;  // taken under the lock, as steps are
  if (h.stepper) carried = h.stepper->state();
  const Index sequences = h.stepper ? h.stepper->count() : 0;
  std::unique_ptr<NetworkHandle<T>> out;
  {
    const Unlocked unlocked;
    h.turnstile.read([&] {
      out = std::make_unique<NetworkHandle<T>>(h.network, with_memory ? h.memory : OptimizerMemory<T>{});
      out->memory.trained = h.memory.trained;
      if (!carried) return;
      out->stepper = std::make_shared<Stepper<T>>(out->network, sequences);
      out->stepper->state().copy_from(*carried);
    });
  }
  return out;
}

/// f(), which changes the network. Throws where it is being trained.
template <class T, class F> void change(NetworkHandle<T>& h, F&& f) {
  const Unlocked unlocked;
  const Turnstile::Change changing(h.turnstile);
  f();
}

/// A view of `n` elements of an arena that keeps `owner` alive.
template <class T> py::array view_of(T* data, const std::vector<Index>& shape, const py::object& owner) {
  return py::array_t<T>(shape, data, owner);
}

template <class T> py::dict parameter_views(const py::object& self) {
  auto& h = self.cast<NetworkHandle<T>&>();
  py::dict out;
  for (const NamedParameter& p : h.network.named_parameters()) {
    T* base = (p.info.trained ? h.network.parameters() : h.network.state()).data();
    out[py::str(std::to_string(p.layer) + "." + p.info.name)] = view_of(base + p.info.offset, p.info.shape(), self);
  }
  return out;
}

/// A schedule of Python's with the turnstile open: it is asked between steps.
struct PausedSchedule final : CustomSchedule {
  Turnstile& turnstile;
  std::shared_ptr<const CustomSchedule> inner;

  PausedSchedule(Turnstile& t, std::shared_ptr<const CustomSchedule> schedule)
      : turnstile(t), inner(std::move(schedule)) {}
  double factor(const Progress& progress) const override {
    const Turnstile::Pause open(turnstile);
    return inner->factor(progress);
  }
};

/// Trains on a record of a fit's samples: `samples`, of which `rows` are for training, and `held_out` (None, or its own
/// `samples` and `rows`). `state` is where to go on, or None; `on_state` is called with every state, or None.
template <class T>
void run_fit(NetworkHandle<T>& h, const py::object& training, FitOptions options, History& history,
             const std::optional<py::dict>& state, const py::object& on_state) {
  const SampleNames& names = SampleNames::get();
  const Samples<T> train = samples_from<T>(h.network, training.attr(names.samples), training.attr(names.rows));
  const py::object held_out = training.attr(names.held_out);
  const Samples<T> held = held_out.is_none()
                              ? Samples<T>{}
                              : samples_from<T>(h.network, held_out.attr(names.samples), held_out.attr(names.rows));
  FitState<T> from;
  FitCourse<T> course;
  if (state) {
    from = state_from_dict<T>(*state, h.network);
    course.from = &from;
  }
  if (!on_state.is_none()) {
    course.on_state = [&h, hook = Callable(on_state)](FitState<T>&& now) {
      const Turnstile::Pause open(h.turnstile);
      locked([&] { call(hook.object(), state_to_dict(std::move(now))); });
    };
  }
  const Unlocked unlocked;
  Turnstile::Change changing(h.turnstile);
  options.between_steps = [&] { changing.rest(); };
  for (Schedule* schedule : {&options.schedule, &options.decay_schedule, &options.dropout_schedule}) {
    if (auto* own = std::get_if<schedule::Custom>(schedule))
      own->function = std::make_shared<PausedSchedule>(h.turnstile, own->function);
  }
  if (options.on_epoch) {
    options.on_epoch = [&h, hook = std::move(options.on_epoch)](EpochReport& report) {
      const Turnstile::Pause open(h.turnstile);
      hook(report);
    };
  }
  if (options.monitor) {
    options.monitor = [&h, hook = std::move(options.monitor)](const EpochReport& report) {
      const Turnstile::Pause open(h.turnstile);
      return hook(report);
    };
  }
  fit<T>(h.network, train, held, options, h.memory, history, course);
}

template <class T> void set_scales(NetworkHandle<T>& h, const py::dict& given) {
  const auto [inputs, targets] = scales_from_dict<T>(given);
  h.network.check_normalization(inputs);
  h.network.check_target_scale(targets);
  change(h, [&, &to_inputs = inputs, &to_targets = targets] {
    h.network.set_target_scale(to_targets);
    h.network.set_normalization(to_inputs);
  });
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
  c.def("copy", &copy_of<T>, py::arg("with_memory") = true,
        "A copy as the network is between two steps, where it is being trained.");
  c.def_property_readonly("n_outputs", [](const H& h) { return h.network.outputs(); });
  c.def_property_readonly("members", [](const H& h) { return h.network.members(); });
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
  c.def_property_readonly("flat_state", [](const py::object& self) {
    auto& h = self.cast<H&>();
    return view_of(h.network.state().data(), {h.network.state().size()}, self);
  });
  c.def_property(
      "memory",
      [](H& h) {
        std::optional<OptimizerMemory<T>> memory;
        {
          const Unlocked unlocked;
          h.turnstile.read([&] { memory = h.memory; });
        }
        return memory_to_dict(*memory);
      },
      [](H& h, const std::optional<py::dict>& given) {
        OptimizerMemory<T> memory;
        if (given) memory = memory_from_dict<T>(*given, h.network.parameters().size());
        change(h, [&] {
          memory.trained = h.memory.trained;
          h.memory = std::move(memory);
        });
      },
      "What the optimizer remembers, by name, or None before the first fit.");
  c.def_property(
      "trained", [](const H& h) { return h.memory.trained; },
      [](H& h, bool trained) { change(h, [&] { h.memory.trained = trained; }); },
      "Whether it has been trained, here or before it was copied or loaded.");
  c.def(
      "begin_memory",
      [](H& h, const Optimizer& rule) {
        change(h, [&] { begin_memory<T>(h.memory, rule, h.network.parameters().size()); });
      },
      py::arg("optimizer"), "Has something to go on with: before the first step, unless it is of that optimizer.");
  c.def("initialize", [](H& h, std::uint64_t seed) { change(h, [&] { h.network.initialize(seed); }); });
  c.def(
      "fit_normalization",
      [](H& h, const py::object& samples, Normalizing how) {
        const Samples<T> s = samples_from<T>(h.network, samples);
        change(h, [&] {
          h.network.set_normalization(normalization_of(s, how, &poll_signals, h.network.category_inputs()));
        });
      },
      py::arg("samples"), py::arg("how"));
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
        change(h, [&] {
          const Normalization<T>& known = h.network.normalization();
          if (!value.is_none() && known.limited) {
            n.limit = known.limit;
            n.limited = true;
          }
          h.network.set_normalization(n);
        });
      });
  c.def_property(
      "scales", [](const H& h) { return scales_to_dict(h.network.normalization(), h.network.target_scale()); },
      [](H& h, const py::dict& given) { set_scales(h, given); },
      "What the network knows of its inputs' and targets' sizes: arrays by name, to save and to restore.");
  c.def_property(
      "data_start_due",
      [](const H& h) -> std::optional<bool> {
        if (h.network.data_depth() == 0) return {};
        return h.network.data_start_due();
      },
      [](H& h, std::optional<bool> due) {
        if (due) change(h, [&] { h.network.set_data_start_due(*due); });
      },
      "Whether the next fit begins with initial values from its data; None where no layer has any. None leaves it.");
  c.def(
      "check_state", [](const H& h, const py::dict& state) { state_from_dict<T>(state, h.network); }, py::arg("state"),
      "Throws where `fit` could not go on from it.");
  c.def("fit", &run_fit<T>, py::arg("training"), py::arg("options"), py::arg("history"), py::arg("state") = py::none(),
        py::arg("on_state") = py::none());
  c.def(
      "infer",
      [](const H& h, const Array<T>& x, bool link, Index threads, const py::object& lengths) {
        return infer_array(h.network, x, link, threads, lengths);
      },
      py::arg("x"), py::arg("link"), py::arg("threads"), py::arg("lengths") = py::none());
  c.def(
      "step",
      [](H& h, const Array<T>& x, bool link) {
        if (!h.network.recurrent() || x.ndim() != 2 || x.shape(0) < 1 || x.shape(1) != h.network.inputs())
          throw py::value_error("x must be (sequences, inputs) of a recurrent network");
        if (h.stepping.exchange(true)) throw std::runtime_error("another step of this network is under way");
        struct Reset {
          std::atomic<bool>& flag;
          ~Reset() { flag = false; }
        } const reset{h.stepping};
        if (!h.stepper || h.stepper->count() != x.shape(0))
          h.stepper = std::make_shared<Stepper<T>>(h.network, x.shape(0));
        const std::shared_ptr<Stepper<T>> stepper = h.stepper;  // its own: `reset_state` may come beside it
        const Matrix<const T> rows(x.data(), x.shape(0), x.shape(1));
        check_finite<T>(rows);
        py::array_t<T> out({x.shape(0), static_cast<py::ssize_t>(h.network.outputs())});
        stepper->step(h.network, rows, link, {out.mutable_data(), out.shape(0), out.shape(1)});
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
        const auto [count, values] = state;
        if (count < 1 || values.size() % count != 0 || values.size() / count != carried_by(h.network))
          throw py::value_error("state must have " + std::to_string(carried_by(h.network)) +
                                " numbers a sequence; got " + std::to_string(values.size()) + " for " +
                                std::to_string(count) + " sequences");
        auto stepper = std::make_shared<Stepper<T>>(h.network, count);
        std::copy_n(values.data(), values.size(), stepper->state().data());
        h.stepper = std::move(stepper);
      });
  c.def_property_readonly("recurrent", [](const H& h) { return h.network.recurrent(); });
  c.def_property_readonly("each_step", [](const H& h) { return h.network.each_step(); });
  c.def(
      "infer_ready",
      [](const H& h, const py::handle x, bool link) -> py::object {
        // An array of a derived class may mean more than its numbers, as a mask does.
        if (Py_TYPE(x.ptr()) != py::detail::npy_api::get().PyArray_Type_ || !py::isinstance<Array<T>>(x))
          return py::none();
        const auto array = py::reinterpret_borrow<Array<T>>(x);
        if (h.network.recurrent() || array.ndim() != 2 || array.shape(0) == 0 || array.shape(1) != h.network.inputs())
          return py::none();
        return infer_array(h.network, array, link, 0);
      },
      py::arg("x"), py::arg("link"), "The outputs, or None where X has to be converted, or refused, first.");
  c.def(
      "evaluate",
      [](const H& h, const py::object& samples, Index threads) {
        const Samples<T> s = samples_from<T>(h.network, samples);
        const Unlocked unlocked;
        return evaluate_samples(h.network, s, threads, &poll_signals).loss;
      },
      py::arg("samples"), py::arg("threads"));
  c.def(
      "score",
      [](const H& h, const py::object& samples, Index threads, const Metric& metric) {
        const Samples<T> s = samples_from<T>(h.network, samples);
        check_metric(metric, h.network.loss());
        if (s.each_step) throw py::value_error("metric needs one target a sequence, not one for each of its steps");
        const Unlocked unlocked;
        return evaluate_samples(h.network, s, threads, &poll_signals, &metric).score;
      },
      py::arg("samples"), py::arg("threads"), py::arg("metric"));
  c.def(
      "need_two_classes",
      [](const H& h, const py::object& samples) {
        need_two_classes(h.network.loss(), samples_from<T>(h.network, samples), h.network.outputs());
      },
      py::arg("samples"), "Throws ValueError where classes are to be learned, but all samples are of one.");
  c.def_static("first_nonfinite", [](const Array<T>& x) { return kernels::first_nonfinite(x.data(), x.size()); });
  c.def("penalty", [](const H& h, double l1, double l2) { return h.network.penalty(l1, l2); });
  c.def(
      "loss_and_gradients",
      [](const H& h, const py::object& samples, const GradientOptions& options, bool with_input) {
        const Samples<T> s = samples_from<T>(h.network, samples);
        py::array_t<T> gradients(h.network.parameters().size());
        const Vector<T> g(gradients.mutable_data(), gradients.size());
        py::array_t<T> input_gradient;
        Matrix<T> dx;
        if (with_input) {
          const auto x = owned<Array<T>>(samples.attr(SampleNames::get().x), "X");
          input_gradient = py::array_t<T>(std::vector<py::ssize_t>(x.shape(), x.shape() + x.ndim()));
          if (s.lengths) std::fill_n(input_gradient.mutable_data(), input_gradient.size(), T(0));
          dx.view({input_gradient.mutable_data(), s.x.rows(), s.x.cols()});
        }
        double loss = 0;
        {
          const Unlocked unlocked;
          loss = loss_and_gradients<T>(h.network, s, options, g, dx);
        }
        return py::make_tuple(loss, gradients, input_gradient);
      },
      py::arg("samples"), py::arg("options"), py::arg("with_input") = false);
  c.def(
      "central_differences",
      [](H& h, const py::object& samples, const GradientOptions& options, T step) {
        const Samples<T> s = samples_from<T>(h.network, samples);
        py::array_t<T> gradients(h.network.parameters().size());
        const Vector<T> g(gradients.mutable_data(), gradients.size());
        change(h, [&] { central_differences<T>(h.network, s, options, step, g); });
        return gradients;
      },
      py::arg("samples"), py::arg("options"), py::arg("step"));
}

}  // namespace lamina::bind
