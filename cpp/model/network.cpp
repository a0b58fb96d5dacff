#include "model/network.hpp"

#include <cmath>
#include <new>
#include <stdexcept>
#include <string>
#include <utility>

#include "kernels/reduce.hpp"

namespace lamina {

namespace {

/// Widths beyond this could not be multiplied, nor arrays beyond that be added up; no memory holds either.
constexpr Index most_units = (Index{1} << 31) - 1, most_elements = Index{1} << 44;

void check_width(const std::string& what, Index width) {
  if (width <= most_units) return;
  throw std::invalid_argument(what + " must be at most " + std::to_string(most_units) + "; got " +
                              std::to_string(width));
}

}  // namespace

template <class T> Network<T>::Network(Architecture architecture) : architecture_(std::move(architecture)) {
  if (architecture_.layers.empty()) throw std::invalid_argument("layers must hold at least one layer; got none");
  if (architecture_.n_inputs < 1) {
    throw std::invalid_argument("n_inputs must be at least 1; got " + std::to_string(architecture_.n_inputs));
  }
  check_width("n_inputs", architecture_.n_inputs);
  std::visit([](const auto& l) { check_fields(l); }, architecture_.loss);
  Index width = architecture_.n_inputs, parameters = 0, state = 0;
  for (const LayerSpec& spec : architecture_.layers) {
    std::visit(
        [&](const auto& s) {
          check_fields(s);
          layers_.push_back(s.template build<T>(width));
        },
        spec);
    const auto number = static_cast<Index>(layers_.size()) - 1;
    check_width("units of layers[" + std::to_string(number) + "]", layers_.back()->outputs());
    if (layers_.back()->state_size() > 0) {
      if (recurrent() && layer(sequence_depth_ - 1).last_step_only()) {
        throw std::invalid_argument("layers[" + std::to_string(sequence_depth_ - 1) +
                                    "] must have return_sequences=True, to feed the recurrent layers[" +
                                    std::to_string(number) + "]; got False");
      }
      sequence_depth_ = number + 1;
    }
    slices_.push_back({parameters, state});
    Index used = 0, used_state = 0;
    for (ParameterInfo info : layers_.back()->parameters()) {
      if (info.size() > most_elements) throw std::bad_alloc();
      Index& slice = info.trained ? used : used_state;
      slice += info.size();
      info.offset += info.trained ? parameters : state;
      named_.push_back({number, info});
    }
    parameters += used;
    state += used_state;
    width = layers_.back()->outputs();
  }
  if (each_step()) sequence_depth_ = depth();
  parameters_ = Arena<T>(parameters);
  state_ = Arena<T>(state);
  initialize(architecture_.seed);
}

template <class T>
Network<T>::Network(const Network& other)
    : architecture_(other.architecture_),
      slices_(other.slices_),
      named_(other.named_),
      sequence_depth_(other.sequence_depth_),
      parameters_(other.parameters_),
      state_(other.state_),
      input_mean_(other.input_mean_),
      input_scale_(other.input_scale_) {
  for (const auto& l : other.layers_) layers_.push_back(l->clone());
}

template <class T> void Network<T>::initialize(std::uint64_t seed) {
  for (Index i = 0; i < depth(); ++i) {
    const auto& s = slices_[static_cast<std::size_t>(i)];
    const Random random(seed, Purpose::initialize, static_cast<std::uint32_t>(i));
    layer(i).initialize(random, parameters_.data() + s.parameters, state_.data() + s.state);
  }
  input_mean_.clear();
  input_scale_.clear();
}

template <class T> void Network<T>::set_normalization(std::vector<T> mean, std::vector<T> scale) {
  const auto wrong = [](const std::string& what) {
    throw std::invalid_argument("input_normalization must be mean and scale by input: " + what);
  };
  const auto n = static_cast<std::size_t>(mean.empty() && scale.empty() ? 0 : inputs());
  if (mean.size() != n || scale.size() != n) {
    wrong("got " + std::to_string(mean.size()) + " and " + std::to_string(scale.size()) + " entries for " +
          std::to_string(n) + " inputs");
  }
  for (std::size_t i = 0; i < n; ++i) {
    if (std::isfinite(mean[i]) && std::isfinite(scale[i]) && scale[i] > 0) continue;
    wrong("both finite, scale greater than 0; got " + std::to_string(mean[i]) + " and " + std::to_string(scale[i]) +
          " for input " + std::to_string(i));
  }
  input_mean_ = std::move(mean);
  input_scale_ = std::move(scale);
}

template <class T> double Network<T>::work_per_row() const {
  double work = 0;
  for (const auto& l : layers_) work += l->work_per_row();
  return work;
}

template <class T> bool Network<T>::needs_whole_batch() const {
  for (const auto& l : layers_) {
    if (l->split() == Split::columns) return true;
  }
  return false;
}

template <class T> double Network<T>::penalty(double l1, double l2) const {
  double total = 0;
  for (const NamedParameter& p : named_) {
    if (!p.info.trained || p.info.role != Role::weight) continue;
    const T* w = parameters_.data() + p.info.offset;
    if (l1 != 0) total += l1 * kernels::sum_of_magnitudes(w, p.info.size());
    if (l2 != 0) total += l2 * kernels::sum_of_squares(w, p.info.size());
  }
  return total;
}

template class Network<float>;
template class Network<double>;

}  // namespace lamina
