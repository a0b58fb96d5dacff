#include "lamina/json_text.hpp"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstddef>
#include <stdexcept>
#include <vector>

namespace lamina::api {
namespace {

constexpr int deepest = 32;
constexpr std::size_t most_values = std::size_t{1} << 18;

/// A float as Python's `repr` has it: the shortest digits that give it back, with an exponent below 1e-4 and from 1e16.
std::string float_text(double value) {
  char buffer[32];
  const auto end = std::to_chars(buffer, buffer + sizeof(buffer), value, std::chars_format::scientific).ptr;
  std::string text(buffer, end);  // -d.ddde+xx
  const std::size_t e = text.find('e');
  const int exponent = std::stoi(text.substr(e + 1));
  if (exponent < -4 || exponent >= 16) return text;
  const bool negative = text[0] == '-';
  std::string digits;
  for (std::size_t i = negative ? 1 : 0; i < e; ++i) {
    if (text[i] != '.') digits += text[i];
  }
  if (exponent < 0) {
    digits.insert(0, static_cast<std::size_t>(-exponent), '0');
    digits.insert(1, ".");
  } else {
    const auto whole = static_cast<std::size_t>(exponent) + 1;
    if (digits.size() <= whole) digits.append(whole - digits.size(), '0').append(".0");
    else digits.insert(whole, ".");
  }
  return (negative ? "-" : "") + digits;
}

template <class J> void append(std::string& out, const J& value, bool sorted) {
  if (value.is_object()) {
    std::vector<const typename J::object_t::value_type*> members;
    for (const auto& member : value.template get_ref<const typename J::object_t&>()) members.push_back(&member);
    if (sorted) std::sort(members.begin(), members.end(), [](auto* a, auto* b) { return a->first < b->first; });
    out += '{';
    for (std::size_t i = 0; i < members.size(); ++i) {
      if (i > 0) out += ", ";
      out += Json(members[i]->first).dump(-1, ' ', true) + ": ";
      append(out, members[i]->second, sorted);
    }
    out += '}';
  } else if (value.is_array()) {
    out += '[';
    for (std::size_t i = 0; i < value.size(); ++i) {
      if (i > 0) out += ", ";
      append(out, value[i], sorted);
    }
    out += ']';
  } else if (value.is_number_float()) {
    out += float_text(value.template get<double>());
  } else {
    out += value.dump(-1, ' ', true);
  }
}

}  // namespace

template <class J> std::string json_text(const J& value, bool sorted) {
  std::string out;
  append(out, value, sorted);
  return out;
}

ReadJson parsed_json(const std::string& text) {
  std::size_t values = 0;
  const auto look = [&](int depth, ReadJson::parse_event_t event, const ReadJson&) {
    if (depth > deepest) throw std::invalid_argument("is nested too deeply");
    if (event != ReadJson::parse_event_t::key && ++values > 2 * most_values)
      throw std::invalid_argument("has more than " + std::to_string(most_values) + " values");
    return true;
  };
  try {
    return ReadJson::parse(text, look);
  } catch (const nlohmann::json::exception& e) {
    throw std::invalid_argument(std::string("is no JSON: ") + e.what());
  }
}

template std::string json_text<Json>(const Json&, bool);
template std::string json_text<ReadJson>(const ReadJson&, bool);

}  // namespace lamina::api
