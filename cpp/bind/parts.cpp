/// Layers, optimizers and clipping as Python classes.
#include "bind/registry.hpp"
#include "math/optimizers.hpp"
#include "math/solvers.hpp"
#include "model/network.hpp"
#include "train/clipping.hpp"

namespace lamina::bind {

void bind_parts(py::module_& m) {
  // A network is made of its layers once: one that could be changed afterwards would say what the network is not.
  bind_classes<LayerSpec>(m, "layer", "lamina", no_field);
  bind_classes<Optimizer>(m, "optimizer", "lamina");
  bind_classes<FullBatchSolver>(m, "solver", "lamina");
  bind_classes<Clipping>(m, "clipping", "lamina");
  m.def(
      "parameter_shapes",
      [](const std::vector<LayerSpec>& layers, Index n_inputs, std::optional<bool> trained) {
        Architecture a;
        a.layers = layers;
        a.n_inputs = n_inputs;
        py::dict shapes;
        for (const NamedParameter& p : Network<float>::parameters_of(a)) {
          if (trained && *trained != p.info.trained) continue;
          const py::str name = std::to_string(p.layer) + "." + p.info.name;
          shapes[name] = py::tuple(py::cast(p.info.shape()));
        }
        return shapes;
      },
      py::arg("layers"), py::arg("n_inputs"), py::arg("trained") = py::none(),
      "The shapes of the parameters that such a network has, by name, of those that are trained or are not, or all; no "
      "memory is taken for them.");
  m.def(
      "output_count",
      [](const std::vector<LayerSpec>& layers, Index n_inputs) {
        Architecture a;
        a.layers = layers;
        a.n_inputs = n_inputs;
        return Network<float>::outputs_of(a);
      },
      py::arg("layers"), py::arg("n_inputs"), "How many outputs such a network has.");
  m.def("optimizer_describe", &describe<Optimizer>);
  m.def("solver_describe", &describe<FullBatchSolver>);
  m.def("layer_describe", &describe<LayerSpec>);
}

}  // namespace lamina::bind
