/// What layers with an activation share: what to keep of a batch, and where slopes come from.
#pragma once

#include "math/activate.hpp"
#include "model/layer.hpp"

namespace lamina {

/// How an activation is used beside its formula: parametric, y = v + a (f(v) - v), a learned by unit; of v = scale z +
/// bias.
struct ActivationUse {
  bool parametric = false;
  double scale = 1;
};

/// The activation part of a layer: y = f(scale z + b), delta <- delta dy / dz. Kept for a row: dy / dz (unless f'
/// follows from y), and per element the slopes (random) or their gradients (learned).
template <class T> class ActivationPart {
 public:
  ActivationPart(Activation f, Index units, ActivationUse use = {});
  /// Throws std::invalid_argument where a parametric activation has a slope of its own; `owner` is the layer's name.
  static void check(const Activation& f, bool parametric, const char* owner);

  Index kept_per_row() const { return units_ * ((keeps_ ? 1 : 0) + (extra() ? 1 : 0)); }
  /// Whether the slopes are parameters of the layer, one a unit.
  bool learns() const { return parametric_ || slope_ == Slope::learned; }
  bool random() const { return slope_ == Slope::random; }
  /// What learned slopes start from.
  void initialize(Vector<T> slopes) const { slopes = Vector<const T>(start_.data(), units_); }

  /// Where z goes: the output itself, or a matrix that is kept.
  Matrix<T> pre_activation(const Tape<T>& tape) const {
    return keeps_ && !tape.kept.empty() ? tape.kept_matrix(0, units_) : tape.output;
  }
  /// y = f(scale z + bias) for one block, z as `pre_activation` has it; `learned` are the slopes, where they are
  /// learned.
  void forward(const Pass<T>&, const Tape<T>&, const Vector<const T>& bias, const Vector<const T>& learned,
               const Block&) const;
  /// delta *= dy / dz for one block; with learned slopes, also their gradient by element.
  void scale_delta(const Tape<T>&, const Block&) const;
  /// The gradient of learned slopes.
  void slope_gradient(const Parameter& slope, const Tape<T>& tape, const GradientSink<T>& sink) const {
    sink.column_sums(slope, extra_of(tape));
  }
  /// The gradient of the bias, from what `scale_delta` has left.
  void bias_gradient(const Parameter& bias, const Tape<T>& tape, const GradientSink<T>& sink) const;

 private:
  bool extra() const { return learns() || random(); }
  Matrix<T> extra_of(const Tape<T>& tape) const { return tape.kept_matrix(keeps_ ? units_ : 0, units_); }
  Matrix<const T> slopes_at(const Tape<T>&, const Vector<const T>& learned, bool training, const Block&) const;
  void draw(const Pass<T>&, const Tape<T>&, const Block&) const;

  Activation f_;
  Index units_;
  Slope slope_;  // of f itself
  bool parametric_;
  bool keeps_;  // dy / dz
  T scale_;
  std::vector<T> start_;          // slopes by unit before anything is learned or drawn; empty without slopes
  std::vector<T> unscale_;        // 1 / scale by unit; empty where it is 1
  double lower_ = 0, upper_ = 0;  // between which random ones are drawn
};

}  // namespace lamina
