/// What brings inputs and targets to size, as a dict of arrays: what a model file has of it.
#pragma once

#include <utility>

#include "bind/registry.hpp"
#include "model/network.hpp"

namespace lamina::bind {

template <class T> py::dict scales_to_dict(const Normalization<T>& inputs, const TargetScale<T>& targets) {
  py::dict out;
  const auto add = [&](const std::string& name, const std::vector<T>& values) {
    if (!values.empty()) out[py::str(name)] = py::array_t<T>(static_cast<py::ssize_t>(values.size()), values.data());
  };
  add("input.mean", inputs.mean);
  add("input.scale", inputs.scale);
  if (inputs.limited) add("input.limit", inputs.limit);
  for_each_field<TargetScale<T>>(
      [&](const auto& field) { add(std::string("target.") + field.name, targets.*(field.member)); });
  return out;
}

template <class T> std::pair<Normalization<T>, TargetScale<T>> scales_from_dict(const py::dict& given) {
  const auto part = [&](const std::string& name) {
    return given.contains(name) ? given[py::str(name)].template cast<std::vector<T>>() : std::vector<T>();
  };
  const Normalization<T> inputs{part("input.mean"), part("input.scale"), part("input.limit"),
                                given.contains("input.limit")};
  TargetScale<T> targets;
  for_each_field<TargetScale<T>>(
      [&](const auto& field) { targets.*(field.member) = part(std::string("target.") + field.name); });
  return {inputs, targets};
}

}  // namespace lamina::bind
