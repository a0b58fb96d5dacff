#include "model/network.hpp"

#include <algorithm>
#include <numeric>
#include <stdexcept>
#include <string>
#include <utility>

#include "kernels/reduce.hpp"
#include "kernels/rounding.hpp"

namespace lamina {

namespace {

/// Whether both say the same, were they floats.
template <class T> bool same(const Vector<const T>& a, const Vector<const T>& b) {
  return (a.template cast<float>() == b.template cast<float>()).all();
}

}  // namespace

template <class T> Network<T>::Network(Architecture architecture) : architecture_(std::move(architecture)) {
  const Slices all = build();
  parameters_ = Arena<T>(all.parameters.end);
  state_ = Arena<T>(all.state.end);
  normalization_.mean.resize(static_cast<std::size_t>(inputs()));
  normalization_.scale.resize(static_cast<std::size_t>(inputs()));
  normalization_.limit.resize(static_cast<std::size_t>(inputs()));
  for_each_field<TargetScale<T>>(
      [&](const auto& field) { (target_scale_.*(field.member)).resize(static_cast<std::size_t>(outputs())); });
  initialize(architecture_.seed);
}

template <class T> std::vector<NamedParameter> Network<T>::parameters_of(Architecture architecture) {
  Network network;
  network.architecture_ = std::move(architecture);
  network.build();
  return std::move(network.named_);
}

template <class T> Index Network<T>::outputs_of(Architecture architecture) {
  Network network;
  network.architecture_ = std::move(architecture);
  network.build();
  return network.outputs();
}

template <class T> typename Network<T>::Slices Network<T>::build() {
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
          layers_.push_back(s.template build<T>(LayerInput{width, members_}));
        },
        spec);
    const auto number = static_cast<Index>(layers_.size()) - 1;
    check_width("units of layers[" + std::to_string(number) + "]", layers_.back()->outputs());
    follow_members();
    if (layers_.back()->state_size() > 0) {
      if (recurrent() && layer(sequence_depth_ - 1).last_step_only()) {
        throw std::invalid_argument("layers[" + std::to_string(sequence_depth_ - 1) +
                                    "] must have return_sequences=True, to feed the recurrent layers[" +
                                    std::to_string(number) + "]; got False");
      }
      sequence_depth_ = number + 1;
    }
    Slices slices{{parameters, parameters}, {state, state}};
    for (Parameter p : layers_.back()->parameters()) {
      check_elements(static_cast<double>(p.size()));
      Range& slice = p.trained ? slices.parameters : slices.state;
      slice.end += p.size();
      p.offset += slice.begin;
      named_.push_back({number, p});
    }
    slices_.push_back(slices);
    parameters = slices.parameters.end;
    state = slices.state.end;
    width = layers_.back()->outputs();
  }
  if (each_step()) sequence_depth_ = depth();
  return {{0, parameters}, {0, state}};
}

template <class T> void Network<T>::follow_members() {
  const Layer<T>& newest = *layers_.back();
  if (newest.predicts_in_place()) return;
  if (members_ > 1 && newest.members() != members_) {
    const std::string number = std::to_string(layers_.size() - 1), wanted = std::to_string(members_);
    const std::string name = name_of(architecture_.layers[layers_.size() - 1]);
    throw std::invalid_argument("layers[" + number + "] must be a SharedDense with members=" + wanted +
                                ", or a layer that goes column by column, to keep the " + wanted +
                                " members of the layers before it apart; got " + name +
                                (newest.members() > 1 ? " with members=" + std::to_string(newest.members()) : ""));
  }
  members_ = newest.members();
}

template <class T>
Network<T>::Network(const Network& other)
    : architecture_(other.architecture_),
      slices_(other.slices_),
      named_(other.named_),
      sequence_depth_(other.sequence_depth_),
      members_(other.members_),
      parameters_(other.parameters_),
      state_(other.state_),
      normalization_(other.normalization_),
      target_scale_(other.target_scale_),
      normalized_(other.normalized_),
      target_scaled_(other.target_scaled_),
      data_start_due_(other.data_start_due_),
      drawn_from_(other.drawn_from_) {
  for (const auto& l : other.layers_) layers_.push_back(l->clone());
}

template <class T> void Network<T>::initialize(std::uint64_t seed) {
  const kernels::UsualRounding rounding;
  parameters_.fill_zero();
  state_.fill_zero();
  for (Index i = 0; i < depth(); ++i) {
    const Slices& s = slices_[static_cast<std::size_t>(i)];
    const Random random(seed, Purpose::initialize, static_cast<std::uint32_t>(i));
    layer(i).initialize(random, parameters_.vector().at(s.parameters), state_.vector().at(s.state));
  }
  normalized_ = target_scaled_ = false;
  drawn_from_ = seed;
  set_data_start_due(true);
}

template <class T> typename Network<T>::AsDrawn Network<T>::as_drawn(Index i) const {
  const Slices& s = slices_[static_cast<std::size_t>(i)];
  Arena<T> parameters(s.parameters.size()), state(s.state.size());
  parameters.fill_zero();
  state.fill_zero();
  const Random random(drawn_from_, Purpose::initialize, static_cast<std::uint32_t>(i));
  layer(i).initialize(random, parameters.vector(), state.vector());
  return {same<T>(parameters.vector(), parameters_.vector().at(s.parameters)),
          same<T>(state.vector(), state_.vector().at(s.state))};
}

template <class T> Index Network<T>::data_depth() const {
  Index end = depth();
  while (end > 0 && !layer(end - 1).starts_from_data()) --end;
  return end;
}

template <class T> void Network<T>::initialize_from_data(Index i, const Random& random, const Matrix<const T>& sample) {
  const Slices& s = slices_[static_cast<std::size_t>(i)];
  layer(i).initialize_from_data(random, sample, parameters_.vector().at(s.parameters), state_.vector().at(s.state));
}

template <class T> std::vector<Index> Network<T>::category_inputs() const {
  std::vector<Index> found, origin(static_cast<std::size_t>(inputs()));
  std::iota(origin.begin(), origin.end(), Index{0});
  for (const auto& l : layers_) {
    for (const Index column : l->category_columns()) {
      const Index input = origin[static_cast<std::size_t>(column)];
      if (input >= 0) found.push_back(input);
    }
    std::vector<Index> next(static_cast<std::size_t>(l->outputs()));
    bool any = false;
    for (std::size_t j = 0; j < next.size(); ++j) {
      const Index column = l->copied_column(static_cast<Index>(j));
      next[j] = column < 0 ? -1 : origin[static_cast<std::size_t>(column)];
      any = any || next[j] >= 0;
    }
    if (!any) break;
    origin = std::move(next);
  }
  std::sort(found.begin(), found.end());
  found.erase(std::unique(found.begin(), found.end()), found.end());
  return found;
}

template <class T> void Network<T>::check_normalization(const Normalization<T>& normalization) const {
  normalization.check(inputs());
  for (const Index column : normalization.empty() ? std::vector<Index>() : category_inputs()) {
    if (normalization.leaves(column)) continue;
    throw std::invalid_argument("input_normalization must leave input " + std::to_string(column) +
                                " as it is (mean 0, scale 1, no limit), which holds numbers of categories");
  }
}

template <class T> void Network<T>::set_normalization(const Normalization<T>& normalization) {
  check_normalization(normalization);
  std::copy(normalization.mean.begin(), normalization.mean.end(), normalization_.mean.begin());
  std::copy(normalization.scale.begin(), normalization.scale.end(), normalization_.scale.begin());
  if (normalization.limited)
    std::copy(normalization.limit.begin(), normalization.limit.end(), normalization_.limit.begin());
  normalization_.limited = normalization.limited;
  normalized_ = !normalization.empty();
}

template <class T> void Network<T>::check_target_scale(const TargetScale<T>& scale) const {
  scale.check(outputs());
  if (!scale.empty() && targets_of(loss()) != TargetKind::real)
    throw std::invalid_argument("normalize_targets needs a loss whose targets are any numbers; got " + name_of(loss()));
}

template <class T> void Network<T>::set_target_scale(const TargetScale<T>& scale) {
  check_target_scale(scale);
  for_each_field<TargetScale<T>>([&](const auto& field) {
    const std::vector<T>& given = scale.*(field.member);
    std::copy(given.begin(), given.end(), (target_scale_.*(field.member)).begin());
  });
  target_scaled_ = !scale.empty();
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

template <class T> void Network<T>::check_batch(Index rows) const {
  if (rows >= least_batch()) return;
  throw std::invalid_argument("batch_size leaves a batch of " + std::to_string(rows) +
                              " row, and BatchNorm has no variance to normalise by: wanted at least " +
                              std::to_string(least_batch()) + " rows in every training batch");
}

template <class T> Index Network<T>::least_batch() const {
  Index least = 1;
  for (const auto& l : layers_) least = std::max(least, l->least_batch());
  return least;
}

template <class T> double Network<T>::penalty(double l1, double l2) const {
  double total = 0;
  for (const NamedParameter& p : named_) {
    if (!p.info.trained || p.info.role != Role::weight) continue;
    const Vector<const T> w = parameters_.vector().at(p.info.range());
    if (l1 != 0) total += l1 * kernels::sum_of_magnitudes(w);
    if (l2 != 0) total += l2 * kernels::sum_of_squares(w);
  }
  return total;
}

template class Network<float>;
template class Network<double>;

}  // namespace lamina
