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

namespace {

namespace py = pybind11;

/// The oldest pickle protocols make an object without its constructor, which leaves pybind11 one that is none: what the
/// second has says all, and every protocol can write it.
void bind_reduce(const py::module_& m) {
  const py::object reduce = py::module_::import("builtins").attr("object").attr("__reduce_ex__");
  for (const auto& [name, member] : py::reinterpret_borrow<py::dict>(m.attr("__dict__"))) {
    if (!PyType_Check(member.ptr())) continue;
    const py::is_method of_class(member);
    member.attr("__reduce_ex__") = py::cpp_function(
        [reduce](const py::object& self, int protocol) { return reduce(self, protocol < 2 ? 2 : protocol); }, of_class,
        py::name("__reduce_ex__"), py::arg("protocol"));
  }
}

}  // namespace

PYBIND11_MODULE(_core, m) {
  m.doc() = "The numerical core of lamina.";
  lamina::bind::bind_functions(m);
  lamina::bind::bind_parts(m);
  lamina::bind::bind_training(m);
  lamina::bind::bind_network_float(m);
  lamina::bind::bind_network_double(m);
  lamina::bind::bind_cascade(m);
  lamina::bind::bind_machine(m);
  bind_reduce(m);
}
