/// Threads and the machine's speed.
#include "kernels/machine.hpp"

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include "bind/lock.hpp"
#include "bind/numpy.hpp"
#include "core/random.hpp"
#include "kernels/threads.hpp"
#include "train/split.hpp"

namespace lamina::bind {
namespace py = pybind11;

namespace {
using Classes = py::array_t<std::int32_t, py::array::c_style>;
}

void bind_machine(py::module_& m) {
  m.def("measure_peak", &kernels::measure_peak, py::arg("seconds") = 0.2, py::call_guard<Unlocked>(),
        "Peak of float32 multiply-adds on one core, GFLOP/s.");
  m.def("max_threads", &kernels::max_threads);
  m.def("set_max_threads", &kernels::set_max_threads, py::arg("n"));
  m.def(
      "permutation",
      [](std::uint64_t seed, Index n, std::uint32_t stream) {
        if (n < 0) throw py::value_error("n must be at least 0; got " + std::to_string(n));
        py::array_t<std::int64_t> order(n);
        std::int64_t* to = order.mutable_data();
        for (Index i = 0; i < n; ++i) to[i] = i;
        Random(seed, Purpose::split, stream).permute(to, n);
        return order;
      },
      py::arg("seed"), py::arg("n"), py::arg("stream") = 0, "0 .. n-1 in random order: a function of (seed, stream).");
  m.def(
      "split_rows",
      [](Index rows, const std::vector<double>& fractions, const py::object& classes, bool shuffle,
         std::uint64_t seed) {
        const auto numbers = classes.is_none() ? Classes(0) : classes.cast<Classes>();
        if (!classes.is_none() && numbers.size() != rows)
          throw py::value_error("classes must have one entry for each of the rows");
        py::list parts;
        for (const auto& part :
             split_rows(rows, fractions, classes.is_none() ? nullptr : numbers.data(), shuffle, seed)) {
          parts.append(py::array_t<std::int64_t>(static_cast<py::ssize_t>(part.size()), part.data()));
        }
        return parts;
      },
      py::arg("rows"), py::arg("fractions"), py::arg("classes"), py::arg("shuffle"), py::arg("seed"),
      "The row numbers of each part, ascending; `classes`, None or int32 by row, keep their shares.");
  m.def(
      "can_stratify",
      [](const Classes& classes, std::size_t parts) {
        return can_stratify({classes.data(), classes.data() + classes.size()}, parts);
      },
      py::arg("classes"), py::arg("parts"), "Whether every class has a member for each of the parts.");
  m.attr("level") = kernels::level().name;
  m.attr("vector_bytes") = kernels::level().vector_bytes;
  m.attr("has_fma") = kernels::level().fused_multiply_add;
}

}  // namespace lamina::bind
