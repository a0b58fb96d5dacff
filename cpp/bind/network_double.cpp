#include "bind/network.hpp"

namespace lamina::bind {

void bind_network_double(py::module_& m) { bind_network<double>(m, "NetworkFloat64"); }

}  // namespace lamina::bind
