/// Model files: safetensors with the architecture as JSON in their metadata, as Python's `save` and `load` have them
/// (docs/model-file.md says what is in them).
#pragma once

#include <map>
#include <string>

#include "model/network.hpp"

namespace lamina::api {

/// A network and what a model file has beside it.
template <class T> struct SavedModel {
  lamina::Network<T> network;
  Normalizing inputs = Normalizing::none;  ///< what the next fit makes of inputs that are not normalised
  bool targets = false;                    ///< and of targets
  std::map<std::string, std::string> metadata;
};

/// What the file at `path` holds. Throws std::invalid_argument that names the file where it is none, cut short,
/// altered, or of another kind or precision; std::runtime_error where it cannot be read. Nothing is believed of a file
/// before it was checked: it takes no more than a few times its size of memory.
template <class T> SavedModel<T> read_model(const std::string& path);

/// Writes the file whole or not at all. Throws std::invalid_argument where the network has custom parts, or weights
/// that are not finite; std::runtime_error where the file cannot be written.
template <class T> void write_model(const std::string& path, const SavedModel<T>& model);

}  // namespace lamina::api
