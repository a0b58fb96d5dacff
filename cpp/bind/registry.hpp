/// Registries in Python: classes, constructors, attributes, repr, equality and pickling follow from the fields.
#pragma once

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "bind/custom.hpp"
#include "bind/numpy.hpp"
#include "core/registry.hpp"
#include "math/activations.hpp"
#include "math/initializers.hpp"
#include "math/losses.hpp"

namespace lamina::bind {
namespace py = pybind11;

/// str(x) and repr(x) as C++ strings.
inline std::string str_of(py::handle x) { return py::str(x).cast<std::string>(); }
inline std::string repr_of(py::handle x) { return py::repr(x).cast<std::string>(); }

/// A registry entry known in Python as one object of a common class: `lamina.activations.get("elu", alpha=0.2)`.
template <class Variant> struct Named {
  Variant entry;
};
using NamedActivation = Named<Activation>;
using NamedLoss = Named<Loss>;
using NamedInitializer = Named<Initializer>;

template <class Variant> struct Kind;
template <> struct Kind<Activation> {
  static constexpr const char* name = "activation";
};
template <> struct Kind<Loss> {
  static constexpr const char* name = "loss";
};
template <> struct Kind<Initializer> {
  static constexpr const char* name = "initializer";
};

/// The entry of a Python value: its object, or a name.
template <class Variant> bool load_named(py::handle from, Variant& to) {
  if (py::isinstance<py::str>(from)) {
    to = make<Variant>(from.cast<std::string>(), Kind<Variant>::name);
    return true;
  }
  if (!py::isinstance<Named<Variant>>(from)) return false;
  to = from.cast<const Named<Variant>&>().entry;
  return true;
}

}  // namespace lamina::bind

namespace pybind11::detail {

/// Fields that are registry entries take a name or an object, and give an object.
template <class Variant> struct named_caster {
  PYBIND11_TYPE_CASTER(Variant, const_name("str | object"));
  bool load(handle from, bool) { return lamina::bind::load_named(from, value); }
  static handle cast(const Variant& v, return_value_policy, handle) {
    return pybind11::cast(lamina::bind::Named<Variant>{v}).release();
  }
};
template <> struct type_caster<lamina::Activation> : named_caster<lamina::Activation> {};
template <> struct type_caster<lamina::Loss> : named_caster<lamina::Loss> {};
template <> struct type_caster<lamina::Initializer> : named_caster<lamina::Initializer> {};

}  // namespace pybind11::detail

namespace lamina::bind {

/// A field's value in Python: of several numbers a tuple, which cannot be changed behind the back of what has it.
template <class M> py::object shown(const M& value) {
  if constexpr (is_numbers<M>) return py::tuple(py::cast(value));
  else return py::cast(value);
}

/// A dict that can only be read: what it was made of is no longer asked.
inline py::object read_only(const py::dict& d) { return py::reinterpret_steal<py::object>(PyDictProxy_New(d.ptr())); }

/// The values of M in words, and as a Python type.
struct TypeText {
  std::string words, type;
};
template <class M> TypeText type_text() {
  if constexpr (is_optional<M>) {
    const TypeText inner = type_text<typename M::value_type>();
    return {inner.words + " or None", inner.type + " | None"};
  } else if constexpr (std::is_same_v<M, bool>) {
    return {"True or False", "bool"};
  } else if constexpr (std::is_integral_v<M>) {
    return {"a whole number", "int"};
  } else if constexpr (std::is_floating_point_v<M>) {
    return {"a number", "float"};
  } else if constexpr (std::is_same_v<M, std::string>) {
    return {"a string", "str"};
  } else if constexpr (is_numbers<M>) {
    return {"a tuple of whole numbers", "tuple[int, ...]"};
  } else if constexpr (std::is_same_v<M, std::vector<double>>) {
    return {"a list of numbers", "list[float]"};
  } else if constexpr (std::is_same_v<M, std::map<std::string, double>>) {
    return {"a dict of numbers by name", "dict[str, float]"};
  } else if constexpr (std::is_same_v<M, Activation>) {
    return {"the name of an activation ('identity' for none) or one of lamina.activations", "object"};
  } else if constexpr (std::is_same_v<M, Initializer>) {
    return {"the name of an initializer or one of lamina.initializers", "object"};
  } else {
    return {"something else", "object"};
  }
}

/// Whole numbers in an order: of a list, a tuple, a range, an array of one axis. Throws TypeError where they are none.
template <class I> std::vector<I> whole_numbers(py::handle value, const std::string& who) {
  const auto wrong = [&] {
    if (PyErr_Occurred() && !PyErr_ExceptionMatches(PyExc_TypeError)) throw py::error_already_set();
    PyErr_Clear();
    return py::type_error(who + " must be " + type_text<std::vector<I>>().words + "; got " + repr_of(value));
  };
  if (!PySequence_Check(value.ptr()) || PyUnicode_Check(value.ptr()) || PyBytes_Check(value.ptr())) throw wrong();
  const auto items = py::reinterpret_steal<py::object>(PySequence_Tuple(value.ptr()));
  if (!items) throw wrong();
  std::vector<I> out;
  for (const py::handle item : items) {
    const auto number = py::reinterpret_steal<py::object>(PyNumber_Index(item.ptr()));
    if (!number || PyBool_Check(item.ptr())) throw wrong();
    int overflow = 0;
    const long long whole = PyLong_AsLongLongAndOverflow(number.ptr(), &overflow);
    if (overflow != 0) throw py::value_error(who + " must be whole numbers of 64 bits; got " + repr_of(item));
    out.push_back(static_cast<I>(whole));
  }
  return out;
}

/// What a field of type M, called `who`, is to hold. Throws TypeError where it cannot, ValueError for a whole number
/// beyond all bounds.
template <class M> M value_for(const std::string& who, py::handle value) {
  if constexpr (is_numbers<M>) {
    return whole_numbers<typename M::value_type>(value, who);
  } else {
    try {
      // What is a whole number says so; `cast` would cut others.
      if (std::is_integral_v<M> && !std::is_same_v<M, bool> && !PyIndex_Check(value.ptr())) throw py::cast_error();
      return value.cast<M>();
    } catch (const py::cast_error&) {
      if constexpr (std::is_integral_v<M>) {
        if (PyLong_Check(value.ptr()))
          throw py::value_error(who + " must be a whole number of 64 bits; got " + repr_of(value));
      }
      throw py::type_error(who + " must be " + type_text<M>().words + "; got " + repr_of(value));
    }
  }
}

/// A field with its struct's type and its own left behind: what is done with any field of any struct is compiled once.
struct AnyField {
  const char *name, *doc, *owner;
  std::string type;                               ///< of an argument, as a stub has it
  std::string (*told)();                          ///< the type of the attribute, as a stub has it
  py::object (*get)(const void* owner);           ///< its value
  void (*set)(void* owner, py::handle value);     ///< unchecked beyond its type
  void (*change)(void* owner, py::handle value);  ///< checked, with the fields beside it

  std::string who() const { return std::string(name) + " of " + owner; }
};

/// The fields of a struct.
struct AnyFields {
  const char* owner;
  int required;  ///< leading ones without a default
  std::vector<AnyField> all;

  const AnyField* find(std::string_view name) const {
    for (const AnyField& field : all) {
      if (name == field.name) return &field;
    }
    return nullptr;
  }
};

template <class S, std::size_t I> struct FieldAccess {
  static constexpr auto field = std::get<I>(S::fields());
  using M = std::decay_t<decltype(std::declval<S>().*(field.member))>;

  static py::object get(const void* owner) { return shown(static_cast<const S*>(owner)->*(field.member)); }
  static M value(py::handle from) { return value_for<M>(std::string(field.name) + " of " + S::name, from); }
  static void set(void* owner, py::handle from) { static_cast<S*>(owner)->*(field.member) = value(from); }
  static void change(void* owner, py::handle from) {
    S& s = *static_cast<S*>(owner);
    M changed = value(from);
    check_value(field, S::name, changed);
    std::swap(s.*(field.member), changed);
    try {
      s.check();
    } catch (...) {
      std::swap(s.*(field.member), changed);
      throw;
    }
  }
};
/// The type of an M in Python, as pybind11 writes it.
template <class M> std::string told_type() {
  using Shown = std::conditional_t<is_numbers<M>, py::tuple, M>;
  const py::cpp_function none([]() -> Shown { throw std::logic_error("made for its signature"); });
  const std::string told = str_of(none.attr("__doc__"));
  return told.substr(told.find("-> "));
}
template <class S, std::size_t... I> AnyFields any_fields(std::index_sequence<I...>) {
  return {S::name,
          S::required,
          {AnyField{FieldAccess<S, I>::field.name, FieldAccess<S, I>::field.doc, S::name,
                    type_text<typename FieldAccess<S, I>::M>().type, &told_type<typename FieldAccess<S, I>::M>,
                    &FieldAccess<S, I>::get, &FieldAccess<S, I>::set, &FieldAccess<S, I>::change}...}};
}
template <class S> const AnyFields& fields_of() {
  static const AnyFields fields = any_fields<S>(std::make_index_sequence<std::tuple_size_v<decltype(S::fields())>>{});
  return fields;
}

/// Fields as a dict; of what is no entry, too.
template <class S> py::dict values_of(const S& s) {
  py::dict d;
  for_each_field<S>([&](const auto& field) { d[field.name] = shown(s.*(field.member)); });
  return d;
}
py::dict values_of(const AnyFields& fields, const void* owner);
/// Sets one field from Python. Throws TypeError for an unknown name.
void set_parameter(const AnyFields& fields, void* owner, const std::string& name, py::handle value);
template <class S> void set_parameter(S& entry, const std::string& name, py::handle value) {
  set_parameter(fields_of<S>(), &entry, name, value);
}

/// Parameters of an entry as a dict.
template <class S> py::dict parameters_of(const S& entry) {
  if constexpr (!S::listed) return parameters_of_custom(entry);
  else return values_of(fields_of<S>(), &entry);
}

template <class S, class = void> inline constexpr bool says_full_batch = false;
template <class S> inline constexpr bool says_full_batch<S, std::void_t<decltype(S::full_batch)>> = true;

template <class S, class = void> inline constexpr bool says_greater = false;
template <class S> inline constexpr bool says_greater<S, std::void_t<decltype(S::greater)>> = true;

/// name, aliases, formula, source, traits and parameters of every entry: what the docs' tables are made from.
template <class Variant> py::list describe() {
  py::list out;
  for_each_type<Variant>([&](const auto& entry) {
    using S = std::decay_t<decltype(entry)>;
    py::dict d;
    d["name"] = S::name;
    py::list aliases;
    for (const char* a : S::aliases) aliases.append(a);
    d["aliases"] = aliases;
    d["formula"] = S::formula;
    d["source"] = S::source;
    if constexpr (std::is_base_of_v<ActivationEntry, S>) {
      d["derivative"] = S::derivative_formula;
      d["surrogate"] = S::has_surrogate;
      d["initializer"] = name_of(suited_initializer(S{}));
    }
    if constexpr (says_full_batch<S>) d["full_batch"] = S::full_batch;
    if constexpr (says_greater<S>) {
      d["greater_is_better"] = S::greater;
      d["targets"] = S::classes ? "classes" : "numbers";
    }
    py::dict parameters;
    for (const AnyField& field : fields_of<S>().all)
      parameters[field.name] = py::make_tuple(field.get(&entry), field.doc);
    d["parameters"] = parameters;
    out.append(d);
  });
  return out;
}

template <class Variant> Named<Variant> custom_named(const std::string& name, const py::dict& params) {
  Named<Variant> out;
  custom_from(name, params, out.entry);
  return out;
}

/// One common class for all entries of a kind, and the functions of its submodule.
template <class Variant>
py::class_<Named<Variant>> bind_named(py::module_& m, const char* class_name, const char* module_name) {
  using N = Named<Variant>;
  py::class_<N> c(m, class_name, "An entry of the registry: `name`, `params`.");
  c.attr("__module__") = module_name;
  c.def_property_readonly("name", [](const N& n) { return name_of(n.entry); }, "The entry's name.");
  c.def_property_readonly(
      "params",
      [](const N& n) { return read_only(std::visit([](const auto& e) { return parameters_of(e); }, n.entry)); },
      "Its parameters by name, to read.");
  c.def("__repr__", [](const N& n) {
    std::string s = "<" + std::string(Kind<Variant>::name) + " " + name_of(n.entry);
    const py::dict params = std::visit([](const auto& e) { return parameters_of(e); }, n.entry);
    for (auto [key, value] : params) s += " " + str_of(key) + "=" + repr_of(value);
    return s + ">";
  });
  c.def("__eq__", [](py::object self, py::object other) {
    return py::isinstance<N>(other) && self.attr("name").equal(other.attr("name")) &&
           self.attr("params").equal(other.attr("params"));
  });
  c.def("__hash__", [](py::object self) { return py::hash(self.attr("name")); });
  const auto get = [](const std::string& name, const py::kwargs& params) {
    N n{make<Variant>(name, Kind<Variant>::name)};
    std::visit(
        [&](auto& e) {
          for (auto [key, value] : params) set_parameter(e, str_of(key), value);
          check_fields(e);
        },
        n.entry);
    return n;
  };
  const std::string kind = Kind<Variant>::name;
  constexpr bool has_custom = !std::is_same_v<Variant, Initializer>;
  c.def(py::pickle(
      [](py::object self) {
        const auto& entry = self.cast<const N&>().entry;
        return py::make_tuple(self.attr("name"), std::visit([](const auto& e) { return parameters_of(e); }, entry),
                              is_custom(entry));
      },
      [get](const py::tuple& state) {
        const auto name = state[0].cast<std::string>();
        const auto params = state[1].cast<py::dict>();
        if constexpr (has_custom) {
          if (state[2].cast<bool>()) return custom_named<Variant>(name, params);
        }
        return get(name, py::kwargs(params));
      }));
  if constexpr (has_custom) {
    c.def_property_readonly(
        "is_custom", [](const N& n) { return is_custom(n.entry); }, "Whether it is made from functions of your own.");
    m.def((kind + "_custom").c_str(), &custom_named<Variant>, py::arg("name"), py::arg("params"));
  }
  m.def((kind + "_names").c_str(), [] { return names<Variant>(); });
  m.def((kind + "_get").c_str(), get, py::arg("name"));
  m.def((kind + "_describe").c_str(), [] { return describe<Variant>(); });
  return c;
}

inline bool every_field(std::string_view) { return true; }
inline bool no_field(std::string_view) { return false; }

/// Fields as attributes of a class whose objects `owner_of` finds the struct in: those that `may_be_set` says, by their
/// names, are checked when they are set.
void bind_fields(py::object c, const AnyFields& fields, void* (*owner_of)(py::handle),
                 bool (*may_be_set)(std::string_view));
template <class S> void bind_fields(py::class_<S>& c, bool (*may_be_set)(std::string_view) = every_field) {
  const auto owner_of = [](py::handle self) -> void* {
    if (!py::isinstance<S>(self))
      throw py::type_error(std::string("a ") + S::name + " is wanted; got " + repr_of(self));
    return &self.cast<S&>();
  };
  bind_fields(c, fields_of<S>(), owner_of, may_be_set);
}

/// Sets what the arguments of a call give: by position or by name. Throws TypeError as a function of Python's does,
/// naming the entry.
void set_arguments(const AnyFields& fields, void* owner, const py::args& by_position, const py::kwargs& by_name);
/// (name, default) of every field, the name alone where there is none: what a signature is made of.
py::tuple arguments_of(const AnyFields& fields, const void* usual);
/// The text of a constructor's signature.
std::string signature_of(const AnyFields& fields, const void* usual);

/// The constructor: of all fields, from what `fresh` makes.
template <class S, class Fresh> void bind_constructor(py::class_<S>& c, Fresh fresh) {
  const S usual = fresh();
  py::options plain;
  plain.disable_function_signatures();
  c.def(py::init([fresh](const py::args& by_position, const py::kwargs& by_name) {
          S entry = fresh();
          set_arguments(fields_of<S>(), &entry, by_position, by_name);
          check_fields(entry);
          return entry;
        }),
        signature_of(fields_of<S>(), &usual).c_str());
  c.attr("__arguments__") = arguments_of(fields_of<S>(), &usual);
}
template <class S> void bind_constructor(py::class_<S>& c) {
  bind_constructor(c, [] { return S{}; });
}

/// What `repr` shows: the call that makes an entry.
std::string call_of(const std::string& name, const py::dict& params);

/// A Python class of its own for one entry: `lamina.Adam(lr=0.01)`.
template <class S>
py::class_<S> bind_class(py::module_& m, const char* module_name, bool (*may_be_set)(std::string_view) = every_field) {
  std::string doc = std::string(S::formula) + "\n\nSource: " + S::source + "\n";
  for (const AnyField& field : fields_of<S>().all) doc += std::string("\n") + field.name + ": " + field.doc;
  py::class_<S> c(m, S::name, doc.c_str());
  c.attr("__module__") = module_name;
  if constexpr (says_full_batch<S>) c.attr("full_batch") = S::full_batch;
  bind_constructor(c);
  bind_fields(c, may_be_set);
  c.def_property_readonly(
      "params", [](const S& s) { return read_only(parameters_of(s)); }, "Its parameters by name, to read.");
  c.def("__repr__",
        [home = std::string(module_name)](const S& s) { return call_of(home + "." + S::name, parameters_of(s)); });
  c.def("__eq__", [](const S& s, py::object other) {
    return py::isinstance<S>(other) && parameters_of(s).equal(parameters_of(other.cast<const S&>()));
  });
  c.def("__hash__", [](py::object self) { return py::hash(py::repr(self)); });
  c.def(py::pickle([](const S& s) { return parameters_of(s); },
                   [](const py::dict& state) {
                     S s;
                     for (auto [key, value] : state) set_parameter(s, str_of(key), value);
                     check_fields(s);
                     return s;
                   }));
  return c;
}

/// All entries of a variant that have fields as classes, and `<kind>_names`. `also` adds to each class.
template <class Variant, class Also>
void bind_classes(py::module_& m, const std::string& kind, const char* module_name,
                  bool (*may_be_set)(std::string_view), Also&& also) {
  for_each_type<Variant>([&](const auto& entry) {
    using S = std::decay_t<decltype(entry)>;
    if constexpr (std::tuple_size_v<decltype(S::fields())> > 0) also(bind_class<S>(m, module_name, may_be_set));
  });
  m.def((kind + "_names").c_str(), [] { return names<Variant>(); });
}
template <class Variant>
void bind_classes(py::module_& m, const std::string& kind, const char* module_name,
                  bool (*may_be_set)(std::string_view) = every_field) {
  bind_classes<Variant>(m, kind, module_name, may_be_set, [](auto&&) {});
}

}  // namespace lamina::bind
