/// An optimizer's memory as a dict: {"optimizer": its name, "step": ..., "epochs": ..., "state": {numbers by name},
/// "slots": [arrays of one number a parameter]}.
#pragma once

#include "bind/registry.hpp"
#include "train/trainer.hpp"

namespace lamina::bind {

/// None where there is nothing to remember.
template <class T> py::object memory_to_dict(const OptimizerMemory<T>& memory) {
  if (!memory.optimizer) return py::none();
  py::dict d;
  std::visit(
      [&](const auto& running) {
        d["optimizer"] = running.rule.name;
        d["state"] = values_of(running.state);
      },
      *memory.optimizer);
  d["step"] = memory.step;
  d["epochs"] = memory.epochs;
  py::list slots;
  for (const Arena<T>& slot : memory.slots) slots.append(py::array_t<T>(slot.size(), slot.data()));
  d["slots"] = slots;
  return std::move(d);
}

/// The entry `name` of the dict as a V. Throws ValueError where it is missing or something else.
template <class V> V entry_of(const py::dict& d, const char* name) {
  const std::string who = std::string("the optimizer's memory: '") + name + "'";
  if (!d.contains(name)) throw py::value_error(who + " is missing");
  py::detail::make_caster<V> value;
  if (!value.load(d[name], true)) throw py::value_error(who + " cannot be " + repr_of(d[name]));
  return py::detail::cast_op<V>(std::move(value));
}

/// The memory for a network of `n` parameters. Throws ValueError saying what is wrong.
template <class T> OptimizerMemory<T> memory_from_dict(const py::dict& d, Index n) {
  const auto refuse = [](bool wrong, const std::string& why) {
    if (wrong) throw py::value_error("the optimizer's memory: " + why);
  };
  OptimizerMemory<T> memory;
  memory.optimizer = running(make<Optimizer>(entry_of<std::string>(d, "optimizer"), "optimizer"));
  memory.step = entry_of<std::int64_t>(d, "step");
  memory.epochs = entry_of<Index>(d, "epochs");
  for (const std::int64_t count : {memory.step, static_cast<std::int64_t>(memory.epochs)}) {
    refuse(count < 0, "'step' and 'epochs' must be at least 0");
    refuse(count > std::int64_t{1} << 53, "'step' and 'epochs' must be at most 2^53");
  }
  const auto state = entry_of<py::dict>(d, "state");
  const auto slots = entry_of<py::list>(d, "slots");
  std::visit(
      [&](auto& running) {
        using State = std::decay_t<decltype(running.state)>;
        refuse(state.size() != std::tuple_size_v<decltype(State::fields())>,
               std::string("'state' is not one of ") + running.rule.name + ": " + repr_of(state));
        for_each_field<State>([&](const auto& field) {
          const auto value = entry_of<double>(state, field.name);
          refuse(!std::isfinite(value), std::string("'") + field.name + "' must be finite");
          running.state.*(field.member) = value;
        });
        refuse(slots.size() != running.rule.slots, std::string(running.rule.name) + " has " +
                                                       std::to_string(running.rule.slots) + " slots; got " +
                                                       std::to_string(slots.size()));
      },
      *memory.optimizer);
  for (const py::handle item : slots) {
    const auto slot = py::array_t<T, py::array::c_style | py::array::forcecast>::ensure(item);
    refuse(!slot || slot.size() != n, "a slot must have one number for each of the " + std::to_string(n) +
                                          " parameters; got " + (slot ? std::to_string(slot.size()) : repr_of(item)));
    memory.slots.emplace_back(n);
    std::copy_n(slot.data(), n, memory.slots.back().begin());
  }
  return memory;
}

}  // namespace lamina::bind
