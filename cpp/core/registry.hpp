/// Registries: a kind (activation, loss, optimizer, ...) is a std::variant of structs, and each struct describes
/// itself:
///
///   struct Elu : Entry {
///     static constexpr const char* name = "elu";
///     static constexpr const char* formula = "...";
///     static constexpr const char* source = "...";
///     double alpha = 1.0;
///     static constexpr auto fields() { return std::tuple{Field{"alpha", &Elu::alpha, "...", Bounds::above(0)}}; }
///   };
///
/// Names, look-up, bindings, repr, saving, tests and docs all follow from the variant and the fields. Records such as
/// the options of a fit describe themselves by fields, too.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace lamina {

/// Where a parameter may lie.
struct Bounds {
  double low = -1e308, high = 1e308;
  bool low_open = false, high_open = false;

  static constexpr Bounds any() { return {}; }
  static constexpr Bounds above(double v) { return {v, 1e308, true, false}; }
  static constexpr Bounds at_least(double v) { return {v, 1e308, false, false}; }
  /// [low, high)
  static constexpr Bounds from_below(double low, double high) { return {low, high, false, true}; }
  /// (low, high)
  static constexpr Bounds between(double low, double high) { return {low, high, true, true}; }
  /// [low, high]
  static constexpr Bounds within(double low, double high) { return {low, high, false, false}; }

  bool contain(double v) const {
    return std::isfinite(v) && (low_open ? v > low : v >= low) && (high_open ? v < high : v <= high);
  }
  std::string text() const {
    std::ostringstream s;
    if (low <= -1e308 && high >= 1e308) s << "finite";
    else if (high >= 1e308) s << (low_open ? "greater than " : "at least ") << low;
    else s << "in " << (low_open ? '(' : '[') << low << ", " << high << (high_open ? ')' : ']');
    return s.str();
  }
};

/// One parameter of a struct: its name, member, one line of doc, and bounds (of numbers, or of each in a vector).
template <class S, class M> struct Field {
  const char* name;
  M S::* member;
  const char* doc;
  Bounds bounds = Bounds::any();
};
template <class S, class M> Field(const char*, M S::*, const char*) -> Field<S, M>;
template <class S, class M> Field(const char*, M S::*, const char*, Bounds) -> Field<S, M>;

/// What an entry has unless it says otherwise.
struct Entry {
  static constexpr std::array<const char*, 0> aliases{};
  static constexpr int required = 0;    ///< leading fields without a default
  static constexpr bool listed = true;  ///< whether it can be had by name; one that cannot has a `label()` instead
  static constexpr std::tuple<> fields() { return {}; }
  void check() const {}  ///< throws std::invalid_argument where fields do not go together
};

template <class T> inline constexpr bool is_optional = false;
template <class T> inline constexpr bool is_optional<std::optional<T>> = true;

/// Whether a field holds several whole numbers.
template <class T> inline constexpr bool is_numbers = false;
template <class T> inline constexpr bool is_numbers<std::vector<T>> = std::is_integral_v<T>;

template <class T> inline constexpr bool is_variant = false;
template <class... T> inline constexpr bool is_variant<std::variant<T...>> = true;
template <class S, class = void> inline constexpr bool has_fields = false;
template <class S> inline constexpr bool has_fields<S, std::void_t<decltype(S::fields())>> = true;

template <class S, class F> void for_each_field(F&& f) {
  std::apply([&](const auto&... field) { (f(field), ...); }, S::fields());
}

template <class S> void check_fields(const S& entry);

/// Throws std::invalid_argument naming the number of an `owner` that is not within its bounds.
template <class M> void check_number(const char* name, const char* owner, const Bounds& bounds, M value) {
  if (bounds.contain(static_cast<double>(value))) return;
  std::ostringstream s;
  s << name << " of " << owner << " must be " << bounds.text() << "; got " << value;
  throw std::invalid_argument(s.str());
}

/// Throws std::invalid_argument naming the field of an `owner`, what came and what was wanted. A field that has fields
/// itself is checked with them.
template <class F, class M> void check_value(const F& field, const char* owner, const M& value) {
  if constexpr (is_optional<M>) {
    if (value) check_value(field, owner, *value);
  } else if constexpr (is_variant<M>) {
    std::visit([](const auto& entry) { check_fields(entry); }, value);
  } else if constexpr (is_numbers<M>) {
    for (std::size_t i = 0; i < value.size(); ++i) {
      const std::string name = std::string(field.name) + "[" + std::to_string(i) + "]";
      check_number(name.c_str(), owner, field.bounds, value[i]);
    }
  } else if constexpr (has_fields<M>) {
    check_fields(value);
  } else if constexpr (std::is_arithmetic_v<M> && !std::is_same_v<M, bool>) {
    check_number(field.name, owner, field.bounds, value);
  }
}
/// The same for all fields.
template <class S> void check_fields(const S& entry) {
  for_each_field<S>([&](const auto& field) { check_value(field, S::name, entry.*(field.member)); });
  entry.check();
}

template <class S, class F> void for_type(F&& f) {
  if constexpr (S::listed) f(S{});
}
template <class Variant, class F, std::size_t... I> void for_each_type(F&& f, std::index_sequence<I...>) {
  (for_type<std::variant_alternative_t<I, Variant>>(f), ...);
}
/// f called with a default-made value of every listed type of the variant, in the order of the list.
template <class Variant, class F> void for_each_type(F&& f) {
  for_each_type<Variant>(std::forward<F>(f), std::make_index_sequence<std::variant_size_v<Variant>>{});
}

/// Every name of the kind, aliases left out.
template <class Variant> std::vector<std::string> names() {
  std::vector<std::string> out;
  for_each_type<Variant>([&](const auto& entry) { out.emplace_back(entry.name); });
  return out;
}

template <class Variant> std::string name_of(const Variant& v) {
  return std::visit(
      [](const auto& entry) {
        if constexpr (std::decay_t<decltype(entry)>::listed) return std::string(entry.name);
        else return entry.label();
      },
      v);
}

/// Whether two names are the same, in any case.
bool same_name(std::string_view a, std::string_view b);

/// A name that people look for where it is not, and what to do instead.
struct Elsewhere {
  const char* name;
  const char* advice;
};
/// Those of a kind; a kind that has some specialises it.
template <class Variant> inline constexpr std::array<Elsewhere, 0> elsewhere{};

/// The names nearest to a mistyped one, by edit distance, best first; at most three.
std::vector<std::string> nearest(const std::string& name, std::vector<std::string> known);

/// The default-made entry of this name or alias, in any case. Throws std::invalid_argument that lists the nearest
/// names.
template <class Variant> Variant make(const std::string& name, const char* kind) {
  Variant out;
  bool found = false;
  std::vector<std::string> known;
  for_each_type<Variant>([&](const auto& entry) {
    bool mine = same_name(name, entry.name);
    known.emplace_back(entry.name);
    for (const char* alias : entry.aliases) {
      mine = mine || same_name(name, alias);
      known.emplace_back(alias);
    }
    if (mine && !found) {
      out = entry;
      found = true;
    }
  });
  if (found) return out;
  std::ostringstream s;
  for (const Elsewhere& other : elsewhere<Variant>) {
    if (!same_name(name, other.name)) continue;
    s << "'" << name << "' is no " << kind << ": " << other.advice;
    throw std::invalid_argument(s.str());
  }
  s << "unknown " << kind << " '" << name << "'; did you mean ";
  const auto near = nearest(name, known);
  for (std::size_t i = 0; i < near.size(); ++i)
    s << (i == 0 ? "" : i + 1 == near.size() ? " or " : ", ") << "'" << near[i] << "'";
  s << "? (lamina." << kind << (std::string(kind).back() == 's' ? "es" : "s") << ".names() lists them all)";
  throw std::invalid_argument(s.str());
}

}  // namespace lamina
