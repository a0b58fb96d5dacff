/// The state of a fit as a dict: {"position": numbers by name, "history": numbers, texts and arrays by name, "memory":
/// the optimizer's (bind/memory.hpp) or None, "scales": arrays by name, "arrays": arrays by name}.
#pragma once

#include "bind/memory.hpp"
#include "bind/scales.hpp"
#include "train/checkpoint.hpp"

namespace lamina::bind {

/// A vector or an arena as an array that owns it.
template <class Owned> py::array array_of(Owned&& values) {
  using V = std::decay_t<Owned>;
  auto* const own = new V(std::forward<Owned>(values));
  const py::capsule owner(own, [](void* p) { delete static_cast<V*>(p); });
  using T = std::decay_t<decltype(*own->data())>;
  return py::array_t<T>(static_cast<py::ssize_t>(own->size()), own->data(), owner);
}

/// Fields as a dict, vectors as arrays.
template <class S> py::dict state_fields(const S& s) {
  py::dict d;
  for_each_field<S>([&](const auto& field) {
    using M = std::decay_t<decltype(s.*(field.member))>;
    if constexpr (std::is_same_v<M, std::vector<double>>) d[field.name] = array_of(M(s.*(field.member)));
    else d[field.name] = s.*(field.member);
  });
  return d;
}

template <class T> py::dict state_to_dict(FitState<T>&& state) {
  py::dict d, arrays;
  d["position"] = state_fields(state.position);
  d["history"] = state_fields(state.history);
  d["memory"] = memory_to_dict(state.memory);
  d["scales"] = scales_to_dict(state.normalization, state.target_scale);
  for (auto& [name, array] : state.arrays) arrays[py::str(name)] = array_of(std::move(array));
  d["arrays"] = arrays;
  return d;
}

/// The fields of a part of a state.
template <class S> S state_part(const py::dict& d) {
  S s;
  for_each_field<S>([&](const auto& field) {
    using M = std::decay_t<decltype(s.*(field.member))>;
    if (!d.contains(field.name)) throw py::value_error(std::string(S::name) + " has no '" + field.name + "'");
    s.*(field.member) = value_for<M>(std::string(field.name) + " of " + S::name, d[field.name]);
  });
  return s;
}

/// The state that a fit of `network` goes on from. Throws ValueError or TypeError saying what is wrong.
template <class T> FitState<T> state_from_dict(const py::dict& d, const Network<T>& network) {
  FitState<T> state;
  state.position = state_part<FitPosition>(d["position"]);
  state.history = state_part<History>(d["history"]);
  if (!d["memory"].is_none()) state.memory = memory_from_dict<T>(d["memory"], network.parameters().size());
  std::tie(state.normalization, state.target_scale) = scales_from_dict<T>(d["scales"]);
  for (const auto& [name, item] : py::dict(d["arrays"])) {
    const auto array = py::array_t<T, py::array::c_style | py::array::forcecast>::ensure(item);
    if (!array) throw py::value_error(str_of(name) + " of the state must be an array; got " + repr_of(item));
    Arena<T> own(array.size());
    std::copy_n(array.data(), array.size(), own.begin());
    state.arrays.emplace_back(str_of(name), std::move(own));
  }
  state.check(network);
  return state;
}

}  // namespace lamina::bind
