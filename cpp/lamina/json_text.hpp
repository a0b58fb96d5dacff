/// JSON as text, letter by letter as Python's `json.dumps` writes it: a model file's checksum is taken over that.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

namespace lamina::api {

/// To write: objects keep their order, as Python's do.
using Json = nlohmann::ordered_json;
/// To read: of objects of any number of members, each is found at once.
using ReadJson = nlohmann::json;

/// `value` as `json.dumps(value)`, or with `sorted` as `json.dumps(value, sort_keys=True)`.
template <class J> std::string json_text(const J& value, bool sorted);

/// The value of a text. Throws std::invalid_argument for what is no JSON, is nested too deeply, or has more values than
/// any model file: a hostile text takes no more memory than a few times its size, and no more time than its size asks.
ReadJson parsed_json(const std::string& text);

}  // namespace lamina::api
