#include "bind/registry.hpp"

namespace lamina::bind {

py::dict values_of(const AnyFields& fields, const void* owner) {
  py::dict d;
  for (const AnyField& field : fields.all) d[field.name] = field.get(owner);
  return d;
}

void set_parameter(const AnyFields& fields, void* owner, const std::string& name, py::handle value) {
  if (const AnyField* field = fields.find(name)) return field->set(owner, value);
  std::string known;
  for (const AnyField& field : fields.all) known += (known.empty() ? "" : ", ") + std::string(field.name);
  throw py::type_error(std::string(fields.owner) + " has no parameter '" + name + "'; it has " +
                       (known.empty() ? "none" : known));
}

void bind_fields(py::object c, const AnyFields& fields, void* (*owner_of)(py::handle),
                 bool (*may_be_set)(std::string_view)) {
  const py::object property = py::module_::import("builtins").attr("property");
  for (const AnyField& field : fields.all) {
    const std::string told = "(self) " + field.told();  // which stubs are made from
    py::options plain;
    plain.disable_function_signatures();
    const py::cpp_function get([owner_of, &field](py::handle self) { return field.get(owner_of(self)); },
                               py::is_method(c), py::name(field.name), told.c_str());
    py::object set = py::none();
    if (may_be_set(field.name)) {
      set = py::cpp_function(
          [owner_of, &field](py::handle self, py::handle value) { field.change(owner_of(self), value); },
          py::is_method(c), py::name(field.name));
    }
    c.attr(field.name) = property(get, set, py::none(), field.doc);
  }
}

void set_arguments(const AnyFields& fields, void* owner, const py::args& by_position, const py::kwargs& by_name) {
  const std::string who = std::string(fields.owner) + "()";
  const std::size_t most = fields.all.size();
  if (by_position.size() > most)
    throw py::type_error(who + " takes at most " + std::to_string(most) + (most == 1 ? " argument; " : " arguments; ") +
                         std::to_string(by_position.size()) + " were given");
  for (std::size_t i = 0; i < most; ++i) {
    const AnyField& field = fields.all[i];
    const bool named = by_name.contains(field.name);
    if (i < by_position.size()) {
      if (named) throw py::type_error(who + " got " + field.name + " twice: by position and by name");
      field.set(owner, by_position[i]);
    } else if (!named && static_cast<int>(i) < fields.required) {
      throw py::type_error(who + " needs " + field.name + ": " + field.doc);
    }
  }
  for (auto [name, value] : by_name) set_parameter(fields, owner, str_of(name), value);
}

py::tuple arguments_of(const AnyFields& fields, const void* usual) {
  py::list out;
  int i = 0;
  for (const AnyField& field : fields.all) {
    if (i++ < fields.required) out.append(py::make_tuple(field.name));
    else out.append(py::make_tuple(field.name, field.get(usual)));
  }
  return py::tuple(out);
}

std::string signature_of(const AnyFields& fields, const void* usual) {
  std::string signature = "__init__(self";
  int i = 0;
  for (const AnyField& field : fields.all) {
    signature += std::string(", ") + field.name + ": " + field.type;
    if (i++ < fields.required) continue;
    const py::object value = field.get(usual);
    signature += " = " + repr_of(py::hasattr(value, "name") ? py::object(value.attr("name")) : value);
  }
  return signature + ") -> None";
}

std::string call_of(const std::string& name, const py::dict& params) {
  std::string text = name + "(";
  bool first = true;
  for (auto [key, value] : params) {
    const bool named = py::hasattr(value, "name");
    text += (first ? "" : ", ") + str_of(key) + "=" +
            repr_of(named ? py::object(value.attr("name")) : py::reinterpret_borrow<py::object>(value));
    first = false;
  }
  return text + ")";
}

}  // namespace lamina::bind
