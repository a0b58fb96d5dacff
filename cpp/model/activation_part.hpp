/// What layers with an activation share: what to keep of a batch, and where slopes come from.
#pragma once

#include "math/activate.hpp"
#include "model/layer.hpp"

namespace lamina {

/// The activation part of a layer: y = f(z + b), delta <- delta f'. Kept for a row: z (unless f' follows from y), and
/// per-element slopes (random) or slope gradients (learned).
template <class T> class ActivationPart {
 public:
  ActivationPart(Activation f, Index units);

  Index kept_per_row() const { return units_ * ((keeps_input(f_) ? 1 : 0) + (extra() ? 1 : 0)); }
  /// Whether the slopes are parameters of the layer, one a unit.
  bool learns() const { return slope_ == Slope::learned; }
  bool random() const { return slope_ == Slope::random; }
  /// What learned slopes start from.
  void initialize(Vector<T> slopes) const { slopes = Vector<const T>(start_.data(), units_); }

  /// Where z goes: the output itself, or a matrix that is kept.
  Matrix<T> pre_activation(const Tape<T>& tape) const {
    return keeps_input_ && !tape.kept.empty() ? tape.kept_matrix(0, units_) : tape.output;
  }
  /// y = f(z + bias) for one block, z as `pre_activation` has it; `learned` are the slopes, where they are learned.
  void forward(const Pass<T>&, const Tape<T>&, const Vector<const T>& bias, const Vector<const T>& learned,
               const Block&) const;
  /// delta *= f' for one block; with learned slopes, also their gradient by element.
  void scale_delta(const Pass<T>&, const Tape<T>&, const Vector<const T>& learned, const Block&) const;
  /// The gradient of learned slopes.
  void slope_gradient(const Parameter& slope, const Tape<T>& tape, const GradientSink<T>& sink) const {
    sink.column_sums(slope, extra_of(tape));
  }

 private:
  bool extra() const { return slope_ == Slope::learned || slope_ == Slope::random; }
  Matrix<T> extra_of(const Tape<T>& tape) const { return tape.kept_matrix(keeps_input_ ? units_ : 0, units_); }
  Matrix<const T> slopes_at(const Tape<T>&, const Vector<const T>& learned, bool training, const Block&) const;
  void draw(const Pass<T>&, const Tape<T>&, const Block&) const;

  Activation f_;
  Index units_;
  Slope slope_;
  bool keeps_input_;
  std::vector<T> start_;          // slopes by unit before anything is learned or drawn; empty without slopes
  double lower_ = 0, upper_ = 0;  // between which random ones are drawn
};

}  // namespace lamina
