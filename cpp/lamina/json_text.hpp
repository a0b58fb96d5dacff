/// JSON as text, letter by letter as Python's `json.dumps` writes it: a model file's checksum is taken over that.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace lamina::api {

/// Objects keep their order, as Python's do.
using Json = nlohmann::ordered_json;

/// `value` as `json.dumps(value)`, or with `sorted` as `json.dumps(value, sort_keys=True)`.
std::string json_text(const Json& value, bool sorted);

/// The value of a text, as `Json` or as `nlohmann::json`, which is for objects of many members. Throws
/// std::invalid_argument for what is no JSON, is nested too deeply, or has more values than any model file: a hostile
/// text takes no more memory than a few times its size, and no more time than a moment.
template <class J> J parsed_json(const std::string& text);

}  // namespace lamina::api
