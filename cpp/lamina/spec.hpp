/// Specs into the registries' entries: names, parameters and their bounds are those that the entries' fields have.
#pragma once

#include <algorithm>
#include <stdexcept>
#include <string>
#include <vector>

#include "core/registry.hpp"
#include "lamina/inside.hpp"
#include "math/losses.hpp"
#include "math/metrics.hpp"
#include "math/optimizers.hpp"
#include "math/schedules.hpp"
#include "math/solvers.hpp"
#include "model/layers.hpp"
#include "train/clipping.hpp"

namespace lamina::api {

/// What the variants are called in messages and by `names`.
template <class Variant> inline constexpr const char* kind = nullptr;
template <> inline constexpr const char* kind<LayerSpec> = "layer";
template <> inline constexpr const char* kind<Activation> = "activation";
template <> inline constexpr const char* kind<Loss> = "loss";
template <> inline constexpr const char* kind<Initializer> = "initializer";
template <> inline constexpr const char* kind<Optimizer> = "optimizer";
template <> inline constexpr const char* kind<FullBatchSolver> = "solver";
template <> inline constexpr const char* kind<Schedule> = "schedule";
template <> inline constexpr const char* kind<Clipping> = "clipping";
template <> inline constexpr const char* kind<Metric> = "metric";

template <class Variant> Variant entry_of(const Spec& spec);

/// `value` as a field of type M has it. Throws std::invalid_argument that names the parameter, `what`.
template <class M> M value_as(const Value& value, const std::string& what) {
  const auto& v = value.variant();
  const auto wrong = [&](const char* wanted) { return std::invalid_argument(what + " must be " + wanted); };
  if constexpr (is_optional<M>) {
    return value_as<typename M::value_type>(value, what);
  } else if constexpr (std::is_same_v<M, bool>) {
    if (const auto* flag = std::get_if<bool>(&v)) return *flag;
    throw wrong("true or false");
  } else if constexpr (std::is_integral_v<M>) {
    if (const auto* whole = std::get_if<long long>(&v)) return static_cast<M>(*whole);
    throw wrong("a whole number");
  } else if constexpr (std::is_floating_point_v<M>) {
    if (const auto* number = std::get_if<double>(&v)) return static_cast<M>(*number);
    if (const auto* whole = std::get_if<long long>(&v)) return static_cast<M>(*whole);
    throw wrong("a number");
  } else if constexpr (std::is_same_v<M, std::string>) {
    if (const auto* text = std::get_if<std::string>(&v)) return *text;
    throw wrong("a text");
  } else if constexpr (is_numbers<M>) {
    if (const auto* list = std::get_if<std::vector<long long>>(&v)) return {list->begin(), list->end()};
    throw wrong("a list of whole numbers");
  } else if constexpr (std::is_same_v<M, schedule::Then>) {
    return {std::make_shared<const schedule::AnySchedule>(schedule::AnySchedule{value_as<Schedule>(value, what)})};
  } else {  // an entry of another registry
    if (const auto* text = std::get_if<std::string>(&v)) return entry_of<M>(Spec(*text));
    if (const auto* spec = std::get_if<std::shared_ptr<const Spec>>(&v)) return entry_of<M>(**spec);
    throw wrong("a name, or a Spec");
  }
}

template <class S> void set_parameter(S& entry, const std::string& name, const Value& value) {
  std::vector<std::string> known;
  bool found = false;
  for_each_field<S>([&](const auto& field) {
    known.emplace_back(field.name);
    if (name != field.name) return;
    found = true;
    using M = std::decay_t<decltype(entry.*(field.member))>;
    entry.*(field.member) = value_as<M>(value, name + " of " + S::name);
  });
  if (found) return;
  std::string text;
  for (const std::string& field : known) text += (text.empty() ? "" : ", ") + field;
  throw std::invalid_argument(std::string(S::name) + " has no parameter '" + name + "'" +
                              (known.empty() ? "" : "; did you mean '" + nearest(name, known)[0] + "'?") + " (it has " +
                              (known.empty() ? "none" : text) + ")");
}

/// Sets what `spec` gives of an entry. Throws std::invalid_argument for an unknown parameter, which tells the nearest
/// one, for a missing one, and for one out of its bounds.
template <class S> void set_parameters(S& entry, const Spec& spec) {
  for (const auto& [name, value] : spec.parameters) set_parameter(entry, name, value);
  int required = S::required;
  for_each_field<S>([&](const auto& field) {
    if (required-- <= 0) return;
    const auto given = [&](const auto& parameter) { return parameter.first == field.name; };
    if (std::none_of(spec.parameters.begin(), spec.parameters.end(), given))
      throw std::invalid_argument(std::string(field.name) + " of " + S::name + " must be given");
  });
  check_fields(entry);
}

/// The entry that `spec` describes. Throws as `set_parameters`, and for an unknown name, telling the nearest ones.
template <class Variant> Variant entry_of(const Spec& spec) {
  Variant out = make<Variant>(spec.name, kind<Variant>);
  std::visit([&](auto& entry) { set_parameters(entry, spec); }, out);
  return out;
}

}  // namespace lamina::api
