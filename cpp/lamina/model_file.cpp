#include "lamina/model_file.hpp"

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <set>
#include <stdexcept>
#include <type_traits>
#include <utility>
#include <vector>

#include "kernels/reduce.hpp"
#include "lamina/json_text.hpp"
#include "lamina/sha256.hpp"
#include "lamina/spec.hpp"

#if defined(__unix__) || defined(__APPLE__)
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

namespace lamina::api {
namespace {

constexpr const char* key = "lamina";
constexpr int version = 1;
constexpr std::uint64_t longest_header = 100'000'000;

template <class T> constexpr const char* dtype_of = sizeof(T) == 4 ? "float32" : "float64";
template <class T> constexpr const char* tensor_type = sizeof(T) == 4 ? "F32" : "F64";

// Entries as JSON -----------------------------------------------------------------------------------------------------

template <class M> Json json_of(const M& value);

/// The parameters of an entry behind `out`'s.
template <class S> void add_parameters(Json& out, const S& entry) {
  for_each_field<S>([&](const auto& field) { out[field.name] = json_of(entry.*(field.member)); });
}

template <class M> Json json_of(const M& value) {
  if constexpr (is_optional<M>) {
    return value ? json_of(*value) : Json(nullptr);
  } else if constexpr (is_variant<M>) {
    Json out = Json::object();
    out["name"] = name_of(value);
    std::visit(
        [&](const auto& entry) {
          using S = std::decay_t<decltype(entry)>;
          if constexpr (S::listed) add_parameters(out, entry);
          else
            throw std::invalid_argument("the custom part '" + entry.label() +
                                        "' cannot be saved: a model file holds numbers, not code");
        },
        value);
    return out;
  } else {
    return Json(value);
  }
}

Json json_of_layer(const LayerSpec& layer) {
  Json out = Json::object();
  out["layer"] = name_of(layer);
  std::visit([&](const auto& entry) { add_parameters(out, entry); }, layer);
  return out;
}

/// A whole number as it stands there: a float, or one that the type does not hold, is none.
template <class I> I whole_number(const ReadJson& json, const std::string& name) {
  if (json.is_number_integer()) {
    const auto number = json.get<I>();
    if (json.is_number_unsigned()
            ? json.get<std::uint64_t>() == static_cast<std::uint64_t>(number) && (std::is_unsigned_v<I> || number >= 0)
            : std::is_signed_v<I> || json.get<std::int64_t>() >= 0)
      return number;
  }
  throw std::invalid_argument(name + " must be a whole number, and no larger than it may be");
}
template <class I> std::vector<I> whole_numbers(const ReadJson& json, const std::string& name) {
  if (!json.is_array()) throw std::invalid_argument(name + " must be a list of whole numbers");
  std::vector<I> list;
  for (const ReadJson& element : json) list.push_back(whole_number<I>(element, name));
  return list;
}

Value value_of(const ReadJson& json, const std::string& name);

/// The entry that a description names by its member `which`.
Spec spec_of(const ReadJson& json, const char* which) {
  if (!json.is_object() || !json.contains(which) || !json[which].is_string())
    throw std::invalid_argument("a part of the network has no " + std::string(which));
  Spec out(json[which].get<std::string>());
  for (const auto& [name, value] : json.items()) {
    if (name != which && !value.is_null()) out.parameters.emplace_back(name, value_of(value, name));
  }
  return out;
}

Value value_of(const ReadJson& json, const std::string& name) {
  if (json.is_boolean()) return json.get<bool>();
  if (json.is_number_float()) return json.get<double>();
  if (json.is_number_integer()) return whole_number<long long>(json, name);
  if (json.is_string()) return json.get<std::string>();
  if (json.is_object()) return spec_of(json, "name");
  if (!json.is_array()) throw std::invalid_argument(name + " is nothing that a parameter may be");
  return whole_numbers<long long>(json, name);
}

/// Whether what was `made` of a description describes itself as it was `given`; what that leaves out has its default.
bool describes(const ReadJson& given, const ReadJson& made) {
  if (given.is_object() && made.is_object()) {
    return std::all_of(given.items().begin(), given.items().end(), [&](const auto& member) {
      return made.contains(member.key()) && describes(member.value(), made[member.key()]);
    });
  }
  if (given.is_array() && made.is_array())
    return given.size() == made.size() && std::equal(given.begin(), given.end(), made.begin(), describes);
  return given.type_name() == made.type_name() && given == made;
}

Json json_of_normalizing(Normalizing how) {
  if (how == Normalizing::robust) return "robust";
  return how == Normalizing::standard;
}
Normalizing normalizing_of(const ReadJson& json) {
  if (json == "robust") return Normalizing::robust;
  if (json == "standard" || json == true) return Normalizing::standard;
  if (json == false) return Normalizing::none;
  throw std::invalid_argument("normalize_inputs is nothing that it may be");
}

template <class T> Json architecture_of(const SavedModel<T>& model) {
  const Architecture& a = model.network.architecture();
  Json out = Json::object(), layers = Json::array();
  for (const LayerSpec& layer : a.layers) layers.push_back(json_of_layer(layer));
  out["layers"] = std::move(layers);
  out["n_inputs"] = a.n_inputs;
  out["loss"] = json_of(a.loss);
  out["dtype"] = dtype_of<T>;
  out["seed"] = a.seed;
  out["normalize_inputs"] = json_of_normalizing(model.inputs);
  if (model.targets) out["normalize_targets"] = true;
  if (model.network.data_depth() > 0) out["data_start_due"] = model.network.data_start_due();
  return out;
}

/// The network of a description, not trained; `room`: bytes that the file has for its arrays, which nothing is built
/// beyond.
template <class T> SavedModel<T> model_from(const ReadJson& architecture, std::size_t room) {
  if (architecture.contains("network"))
    throw std::invalid_argument("it holds a " + architecture.value("network", std::string("network of another kind")) +
                                ", which Python's lamina.load reads; C++ reads networks of layers");
  if (architecture.at("dtype") != dtype_of<T>)
    throw std::invalid_argument("its numbers are " + architecture.at("dtype").get<std::string>() + "; load it as a " +
                                (sizeof(T) == 4 ? "Network<double>" : "Network<float>"));
  Architecture a;
  for (const ReadJson& layer : architecture.at("layers"))
    a.layers.push_back(entry_of<LayerSpec>(spec_of(layer, "layer")));
  a.n_inputs = whole_number<Index>(architecture.at("n_inputs"), "n_inputs");
  a.loss = entry_of<Loss>(spec_of(architecture.at("loss"), "name"));
  a.seed = whole_number<std::uint64_t>(architecture.at("seed"), "seed");
  double needed = 0;
  for (const NamedParameter& p : lamina::Network<T>::parameters_of(a)) needed += static_cast<double>(p.info.size());
  // A network has a place for what brings each input and output to size, whether or not it has parameters.
  constexpr double few = 1 << 20;
  const auto ends = static_cast<double>(a.n_inputs + lamina::Network<T>::outputs_of(a));
  if (needed * sizeof(T) > static_cast<double>(room) || ends > needed + few)
    throw std::invalid_argument("it is cut short, or describes a larger network than it holds");
  SavedModel<T> out{lamina::Network<T>(std::move(a)),
                    normalizing_of(architecture.at("normalize_inputs")),
                    architecture.value("normalize_targets", false),
                    {}};
  if (architecture.contains("data_start_due"))
    out.network.set_data_start_due(architecture["data_start_due"].get<bool>());
  ReadJson known = architecture;
  known["normalize_inputs"] = ReadJson(json_of_normalizing(out.inputs));
  if (!describes(known, ReadJson(architecture_of(out))))
    throw std::invalid_argument("it describes a network that this version cannot build");
  return out;
}

// Arrays --------------------------------------------------------------------------------------------------------------

/// An array of a model: where it lies, or would.
template <class T> struct Tensor {
  std::vector<Index> shape;
  T* data = nullptr;
  Index size() const {
    Index n = 1;
    for (const Index side : shape) n *= side;
    return n;
  }
  std::size_t bytes() const { return static_cast<std::size_t>(size()) * sizeof(T); }
  /// As Python writes a tuple.
  std::string shape_text() const {
    std::string text = "(";
    for (std::size_t i = 0; i < shape.size(); ++i) text += (i > 0 ? ", " : "") + std::to_string(shape[i]);
    return text + (shape.size() == 1 ? ",)" : ")");
  }
};
template <class T> using Tensors = std::map<std::string, Tensor<T>>;

template <class T> Tensors<T> parameters_of(lamina::Network<T>& network) {
  Tensors<T> out;
  for (const NamedParameter& p : network.named_parameters()) {
    T* arena = (p.info.trained ? network.parameters() : network.state()).data();
    out[std::to_string(p.layer) + "." + p.info.name] = {p.info.shape(), arena + p.info.offset};
  }
  return out;
}

/// f(name, values) of the vectors that bring inputs and targets to size, there or not.
template <class T, class F> void for_each_scale(Normalization<T>& inputs, TargetScale<T>& targets, const F& f) {
  f("input.mean", inputs.mean);
  f("input.scale", inputs.scale);
  f("input.limit", inputs.limit);
  for_each_field<TargetScale<T>>(
      [&](const auto& field) { f(std::string("target.") + field.name, targets.*(field.member)); });
}

template <class J, class T> std::string checksum(J description, const Tensors<T>& tensors) {
  description.erase("checksum");
  Sha256 digest;
  digest.add(json_text(description, true));
  for (const auto& [name, tensor] : tensors) {
    digest.add(name + " " + dtype_of<T> + " " + tensor.shape_text() + "\n");
    digest.add(tensor.data, tensor.bytes());
  }
  return digest.digest();
}

template <class T> void check_finite(const Tensors<T>& tensors) {
  for (const auto& [name, tensor] : tensors) {
    if (kernels::first_nonfinite(tensor.data, tensor.size()) >= 0)
      throw std::invalid_argument("the array '" + name + "' holds NaN or infinity");
  }
}

// Files ---------------------------------------------------------------------------------------------------------------

std::runtime_error failure(const std::string& path, const std::string& what) {
  return std::runtime_error(path + " cannot be " + what + ": " + std::strerror(errno));
}

#if defined(__unix__) || defined(__APPLE__)
/// Writes all of `data`, and closes the file; false, and errno says why, where that fails.
bool write_and_close(int file, const std::string& data, bool sync) {
  std::size_t done = 0;
  bool good = true;
  while (good && done < data.size()) {
    const ssize_t n = ::write(file, data.data() + done, data.size() - done);
    if (n > 0) done += static_cast<std::size_t>(n);
    else good = n < 0 && errno == EINTR;
  }
  good = good && (!sync || ::fsync(file) == 0);
  const int why = errno;
  const bool closed = ::close(file) == 0;
  if (!good) errno = why;
  return good && closed;
}

/// A new file beside `target`, of a name that no other has, however long that of `target` is; its mode is less the
/// umask.
int new_file_beside(const std::string& target, mode_t mode, std::string& draft) {
  static std::atomic<unsigned> count{0};
  for (int tries = 0; tries < 100; ++tries) {
    draft = target.substr(0, target.rfind('/') + 1) + ".lamina-draft-" + std::to_string(::getpid()) + "-" +
            std::to_string(count++);
    const int file = ::open(draft.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    if (file >= 0 || errno != EEXIST) return file;
  }
  return -1;
}
#endif

/// Puts `data` at `path` by way of a file beside it, so that what was there stays until all of it is. What is there
/// keeps its mode, and is refused where it is read-only; what is no regular file is written straight into.
void write_whole(const std::string& path, const std::string& data) {
#if defined(__unix__) || defined(__APPLE__)
  std::string target = path;
  if (char* const found = ::realpath(path.c_str(), nullptr)) {  // a link is followed
    target = found;
    std::free(found);
  }
  struct stat old{};
  const bool there = ::stat(target.c_str(), &old) == 0;
  if (there && !S_ISREG(old.st_mode)) {
    const int file = ::open(target.c_str(), O_WRONLY | O_NOCTTY | O_CLOEXEC);
    if (file < 0 || !write_and_close(file, data, false)) throw failure(path, "written");
    return;
  }
  if (there && ((old.st_mode & 0222) == 0 || ::access(target.c_str(), W_OK) != 0)) {
    errno = EACCES;
    throw failure(path, "written");
  }
  std::string draft;
  const int file = new_file_beside(target, there ? 0600 : 0666, draft);
  if (file < 0) throw failure(path, "written");
  if (there) {
    // Another's file becomes ours where it cannot stay theirs.
    if ((old.st_uid != ::geteuid() || old.st_gid != ::getegid()) && ::fchown(file, old.st_uid, old.st_gid) != 0)
      errno = 0;
    if (::fchmod(file, old.st_mode & 07777) != 0) errno = 0;
  }
  if (!write_and_close(file, data, true) || std::rename(draft.c_str(), target.c_str()) != 0) {
    const std::runtime_error error = failure(path, "written");
    ::unlink(draft.c_str());
    throw error;
  }
#else
  const std::string draft = path + ".lamina-draft";
  {
    std::ofstream file(draft, std::ios::binary);
    file << data;
    if (!file.flush()) throw failure(path, "written");
  }
  std::remove(path.c_str());
  if (std::rename(draft.c_str(), path.c_str()) != 0) throw failure(path, "written");
#endif
}

std::string read_whole(const std::string& path) {
#if defined(__unix__) || defined(__APPLE__)
  struct stat found{};
  if (::stat(path.c_str(), &found) != 0) throw failure(path, "read");
  if (!S_ISREG(found.st_mode)) throw std::runtime_error(path + " cannot be read: it is no regular file");
#endif
  std::ifstream file(path, std::ios::binary | std::ios::ate);
  if (!file) throw failure(path, "read");
  const std::streamoff size = file.tellg();
  if (size < 0) throw failure(path, "read");
  std::string data(static_cast<std::size_t>(size), '\0');
  if (!file.seekg(0) || !file.read(data.data(), size)) throw failure(path, "read");
  return data;
}

std::uint64_t little_endian(const char* at) {
  std::uint64_t value = 0;
  for (int i = 7; i >= 0; --i) value = value << 8 | static_cast<unsigned char>(at[i]);
  return value;
}

template <class T> SavedModel<T> model_in(const std::string& data) {
  const std::uint64_t length = data.size() < 8 ? 0 : little_endian(data.data());
  if (length < 2 || length > data.size() - 8 || length > longest_header)
    throw std::invalid_argument("it is no whole safetensors file");
  ReadJson header = parsed_json(data.substr(8, length));
  if (!header.is_object() || !header.contains("__metadata__") || !header["__metadata__"].contains(key))
    throw std::invalid_argument("it is no lamina model");
  const ReadJson description = parsed_json(header["__metadata__"][key].get<std::string>());
  if (description.at("format_version") != version)
    throw std::invalid_argument("it has format " + description["format_version"].dump() + "; this lamina reads " +
                                std::to_string(version));
  SavedModel<T> model = model_from<T>(description.at("architecture"), data.size() - 8 - length);
  model.metadata = description.at("user").get<std::map<std::string, std::string>>();
  header.erase("__metadata__");

  // What has to be there, and what may be, before any of it is read.
  const char* const values = data.data() + 8 + length;
  const std::size_t room = data.size() - 8 - length;
  Tensors<T> tensors = parameters_of(model.network);
  Normalization<T> inputs;
  TargetScale<T> targets;
  for_each_scale(inputs, targets, [&](const std::string& name, std::vector<T>& scale) {
    if (!header.contains(name)) return;
    scale.resize(static_cast<std::size_t>(name[0] == 'i' ? model.network.inputs() : model.network.outputs()));
    tensors[name] = {{static_cast<Index>(scale.size())}, scale.data()};
  });
  inputs.limited = !inputs.limit.empty();
  std::size_t used = 0;
  for (auto& [name, tensor] : tensors) {
    if (!header.contains(name)) throw std::invalid_argument("the array '" + name + "' is missing");
    const ReadJson& told = header[name];
    const auto offsets = whole_numbers<std::uint64_t>(told.at("data_offsets"), "data_offsets");
    if (told.at("dtype") != tensor_type<T> || whole_numbers<Index>(told.at("shape"), "shape") != tensor.shape ||
        offsets.size() != 2 || offsets[0] > offsets[1] || offsets[1] > room ||
        offsets[1] - offsets[0] != tensor.bytes())
      throw std::invalid_argument("the array '" + name + "' should be " + dtype_of<T> + " " + tensor.shape_text());
    std::memcpy(tensor.data, values + offsets[0], tensor.bytes());
    used += tensor.bytes();
  }
  if (header.size() != tensors.size() || used != room)
    throw std::invalid_argument("it has arrays or bytes that belong to nothing");
  check_finite(tensors);
  if (description.at("checksum") != checksum(description, tensors))
    throw std::invalid_argument("it was altered or damaged: its checksum does not match");
  model.network.set_target_scale(targets);
  model.network.set_normalization(inputs);
  return model;
}

}  // namespace

template <class T> SavedModel<T> read_model(const std::string& path) {
  const std::string data = read_whole(path);
  try {
    return model_in<T>(data);
  } catch (const std::invalid_argument& e) {
    throw std::invalid_argument(path + " cannot be loaded: " + e.what());
  } catch (const nlohmann::json::exception& e) {
    throw std::invalid_argument(path + " cannot be loaded: its description is no model's: " + e.what());
  }
}

template <class T> void write_model(const std::string& path, const SavedModel<T>& model) {
  for (const auto& [name, text] : model.metadata) {
    try {
      json_text(Json::array({name, text}), false);
    } catch (const nlohmann::json::exception&) {
      throw std::invalid_argument("metadata must be UTF-8, the name and the text");
    }
  }
  lamina::Network<T> network(model.network);  // whose arrays may be looked at by name
  Normalization<T> inputs = network.normalization();
  if (!inputs.limited) inputs.limit.clear();
  TargetScale<T> targets = network.target_scale();
  Tensors<T> tensors = parameters_of(network);
  for_each_scale(inputs, targets, [&](const std::string& name, std::vector<T>& scale) {
    if (!scale.empty()) tensors[name] = {{static_cast<Index>(scale.size())}, scale.data()};
  });
  check_finite(tensors);
  Json description = Json::object();
  description["format_version"] = version;
  description["architecture"] = architecture_of(model);
  description["user"] = Json::object();
  for (const auto& [name, text] : model.metadata) description["user"][name] = text;
  description["checksum"] = checksum(description, tensors);

  Json header = Json::object();
  header["__metadata__"][key] = json_text(description, false);
  std::string values;
  for (const auto& [name, tensor] : tensors) {
    const std::size_t begin = values.size();
    values.append(reinterpret_cast<const char*>(tensor.data), tensor.bytes());
    header[name] = {{"dtype", tensor_type<T>}, {"shape", tensor.shape}, {"data_offsets", {begin, values.size()}}};
  }
  std::string text = header.dump();
  text.append((8 - text.size() % 8) % 8, ' ');
  std::string data;
  for (int i = 0; i < 8; ++i) data += static_cast<char>(text.size() >> (8 * i) & 255);
  write_whole(path, data + text + values);
}

template SavedModel<float> read_model<float>(const std::string&);
template SavedModel<double> read_model<double>(const std::string&);
template void write_model<float>(const std::string&, const SavedModel<float>&);
template void write_model<double>(const std::string&, const SavedModel<double>&);

}  // namespace lamina::api
