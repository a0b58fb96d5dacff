/// Layers, optimizers and clipping as Python classes.
#include "bind/registry.hpp"
#include "math/optimizers.hpp"
#include "math/solvers.hpp"
#include "model/layers.hpp"
#include "train/clipping.hpp"

namespace lamina::bind {

void bind_parts(py::module_& m) {
  bind_classes<LayerSpec>(m, "layer", "lamina");
  bind_classes<Optimizer>(m, "optimizer", "lamina");
  bind_classes<FullBatchSolver>(m, "solver", "lamina");
  bind_classes<Clipping>(m, "clipping", "lamina");
  m.def("optimizer_describe", &describe<Optimizer>);
  m.def("solver_describe", &describe<FullBatchSolver>);
  m.def("layer_describe", &describe<LayerSpec>);
}

}  // namespace lamina::bind
