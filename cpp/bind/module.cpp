/// The table of contents of the extension module: one line a subject.
#include <pybind11/pybind11.h>

namespace lamina::bind {
void bind_functions(pybind11::module_& m);
void bind_parts(pybind11::module_& m);
void bind_training(pybind11::module_& m);
void bind_network_float(pybind11::module_& m);
void bind_network_double(pybind11::module_& m);
void bind_cascade(pybind11::module_& m);
void bind_machine(pybind11::module_& m);
}  // namespace lamina::bind

PYBIND11_MODULE(LAMINA_MODULE, m) {
  m.doc() = "The numerical core of lamina.";
  lamina::bind::bind_functions(m);
  lamina::bind::bind_parts(m);
  lamina::bind::bind_training(m);
  lamina::bind::bind_network_float(m);
  lamina::bind::bind_network_double(m);
  lamina::bind::bind_cascade(m);
  lamina::bind::bind_machine(m);
}
