#include "bind/network.hpp"

namespace lamina::bind {

void bind_network_float(py::module_& m) { bind_network<float>(m, "NetworkFloat32"); }

}  // namespace lamina::bind
