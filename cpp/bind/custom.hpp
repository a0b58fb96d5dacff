/// Activations and losses written as two Python functions.
#pragma once

#include <pybind11/pybind11.h>

#include <array>
#include <string>

#include "bind/numpy.hpp"
#include "math/activations.hpp"
#include "math/losses.hpp"

namespace lamina::bind {
namespace py = pybind11;

/// The names of `Link` and `TargetKind`, in their order.
inline constexpr std::array<const char*, 4> link_names{"identity", "softmax", "logistic", "exponential"};
inline constexpr std::array<const char*, 4> target_names{"real", "count", "classes", "binary"};

/// What a custom part was made from, by name: the arguments of `custom_from`.
py::dict parameters_of_custom(const activation::Custom& a);
py::dict parameters_of_custom(const loss::Custom& l);

/// The part called `name` of these parameters. Throws TypeError where a function is none, ValueError for a link or a
/// kind of target there is not.
void custom_from(const std::string& name, const py::dict& parameters, Activation& out);
void custom_from(const std::string& name, const py::dict& parameters, Loss& out);

template <class Variant> bool is_custom(const Variant& v) {
  return std::visit([](const auto& e) { return !std::decay_t<decltype(e)>::listed; }, v);
}

}  // namespace lamina::bind
