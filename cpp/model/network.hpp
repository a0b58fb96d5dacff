/// A network: a list of layers over one flat arena of parameters, a loss, and the input normalisation.
#pragma once

#include <memory>
#include <vector>

#include "core/arena.hpp"
#include "math/losses.hpp"
#include "model/layers.hpp"
#include "model/normalization.hpp"

namespace lamina {

/// What makes a network, beside its weights.
struct Architecture {
  std::vector<LayerSpec> layers;
  Index n_inputs = 0;
  Loss loss = loss::SquaredError{};
  std::uint64_t seed = 0;
};

/// A parameter array in an arena of the network.
struct NamedParameter {
  Index layer = 0;
  Parameter info;  ///< offset counted from the start of its arena
};

template <class T> class Network {
 public:
  /// Builds the layers and draws the weights. Throws std::invalid_argument for an empty list or sizes below 1.
  explicit Network(Architecture architecture);
  /// The parameters that such a network has, without the memory for any of them. Throws as the constructor does.
  static std::vector<NamedParameter> parameters_of(Architecture architecture);
  /// The number of its outputs, likewise.
  static Index outputs_of(Architecture architecture);
  Network(const Network& other);
  Network& operator=(const Network& other) {
    *this = Network(other);
    return *this;
  }
  Network(Network&&) noexcept = default;
  Network& operator=(Network&&) noexcept = default;

  const Architecture& architecture() const { return architecture_; }
  Index inputs() const { return architecture_.n_inputs; }
  /// Outputs of the network, or of each of its members.
  Index outputs() const { return layers_.back()->outputs() / members_; }
  /// Networks side by side that it is made of: the loss in training is the mean of theirs, a prediction the mean of
  /// their predictions. The last layer's outputs are those of each, one after another.
  Index members() const { return members_; }
  Index depth() const { return static_cast<Index>(layers_.size()); }
  const Layer<T>& layer(Index i) const { return *layers_[static_cast<std::size_t>(i)]; }
  const Loss& loss() const { return architecture_.loss; }

  Arena<T>& parameters() { return parameters_; }
  const Arena<T>& parameters() const { return parameters_; }
  /// Running statistics of batch norm layers.
  Arena<T>& state() { return state_; }
  const Arena<T>& state() const { return state_; }
  /// Where everything lies; trained parameters first.
  const std::vector<NamedParameter>& named_parameters() const { return named_; }
  /// Slices of layer i; what a pass moves of the statistics goes with `pass`.
  Weights<T> weights(Index i, const Pass<T>& pass = {}) const {
    const Slices& s = slices_[static_cast<std::size_t>(i)];
    const bool stay = pass.statistics.empty() || (pass.frozen && (*pass.frozen)[static_cast<std::size_t>(i)] != 0);
    return {parameters_.vector().at(s.parameters), state_.vector().at(s.state),
            stay ? Vector<T>() : pass.statistics.at(s.state)};
  }
  /// Where layer i's parameters are.
  Range parameter_range(Index i) const { return slices_[static_cast<std::size_t>(i)].parameters; }
  /// Where its running statistics are.
  Range state_range(Index i) const { return slices_[static_cast<std::size_t>(i)].state; }

  /// What x is brought to before the first layer; empty when inputs are taken as they are.
  const Normalization<T>& normalization() const { return normalized_ ? normalization_ : none_; }
  /// Inputs that hold numbers of categories, ascending: no normalisation may touch them.
  std::vector<Index> category_inputs() const;
  /// Throws std::invalid_argument unless it is empty, or has one finite entry for each input, all scales are greater
  /// than 0 and categories are left as they are. Like the weights it is written in place: a prediction beside it reads
  /// memory that is there.
  void set_normalization(const Normalization<T>& normalization);
  /// Throws where `set_normalization` would.
  void check_normalization(const Normalization<T>& normalization) const;
  /// How targets are learned and outputs become predictions; empty when they are taken as they are.
  const TargetScale<T>& target_scale() const { return target_scaled_ ? target_scale_ : no_scale_; }
  /// Throws std::invalid_argument unless it is empty, or fits the outputs and the loss takes any numbers. Written in
  /// place, too.
  void set_target_scale(const TargetScale<T>& scale);
  /// Throws where `set_target_scale` would.
  void check_target_scale(const TargetScale<T>& scale) const;
  /// Raw outputs to predictions, in place: the loss's inverse link, and back to what targets are.
  void predict(const Matrix<T>& outputs) const {
    apply_inverse_link(link_of(loss()), outputs);
    target_scale().predict(outputs);
  }

  /// Layers, from the first, whose input has a row for every time step of a sequence; 0 without recurrent layers.
  Index sequence_depth() const { return sequence_depth_; }
  /// Whether a sample is a sequence.
  bool recurrent() const { return sequence_depth_ > 0; }
  /// Whether the outputs (and the targets) have a row for every time step.
  bool each_step() const { return recurrent() && !layer(sequence_depth_ - 1).last_step_only(); }

  /// Draws all weights anew from `seed`; statistics and input normalisation are reset, and a start from data is due
  /// where a layer has one.
  void initialize(std::uint64_t seed);
  /// Whether layer i's parameters, and its statistics, are what `initialize` has drawn, to a float's precision: nobody
  /// has trained or set them since.
  struct AsDrawn {
    bool parameters, state;
  };
  AsDrawn as_drawn(Index i) const;
  /// Layers, from the first, behind which none has initial values that follow from the data; 0: none at all.
  Index data_depth() const;
  /// Whether the next fit begins with `initialize_from_data` for each layer that starts from data.
  bool data_start_due() const { return data_start_due_; }
  void set_data_start_due(bool due) { data_start_due_ = due && data_depth() > 0; }
  /// What layer i makes of `sample`, its inputs, where it starts from data.
  void initialize_from_data(Index i, const Random& random, const Matrix<const T>& sample);
  /// Operations of a forward pass of one row.
  double work_per_row() const;
  /// Whether a batch must be seen whole in training (batch norm), or may be cut into chunks.
  bool needs_whole_batch() const;
  /// The fewest rows that a training batch may have: 2 with batch norm.
  Index least_batch() const;
  /// Throws std::invalid_argument when a training batch of `rows` rows is impossible.
  void check_batch(Index rows) const;
  /// The sum of |w| and of w^2 over weights, the course's penalty.
  double penalty(double l1, double l2) const;

 private:
  struct Slices {
    Range parameters, state;
  };
  Network() = default;
  /// Everything but the memory; returns where the last slices end.
  Slices build();
  /// Whether the members go on through the newest layer. Throws std::invalid_argument where it would mix them.
  void follow_members();

  Architecture architecture_;
  std::vector<std::unique_ptr<Layer<T>>> layers_;
  std::vector<Slices> slices_;
  std::vector<NamedParameter> named_;
  Index sequence_depth_ = 0, members_ = 1;
  Arena<T> parameters_, state_;
  Normalization<T> normalization_;  // of the inputs' size from the beginning
  TargetScale<T> target_scale_;     // of the outputs' size
  bool normalized_ = false, target_scaled_ = false, data_start_due_ = false;
  std::uint64_t drawn_from_ = 0;  // the seed of the last `initialize`
  inline static const Normalization<T> none_{};
  inline static const TargetScale<T> no_scale_{};
};

}  // namespace lamina
