/// What layers with an activation share: what to keep of a batch, and where slopes come from.
#pragma once

#include "core/random.hpp"
#include "math/activate.hpp"
#include "model/layer.hpp"

namespace lamina {

/// The activation part of a layer: y = f(z + b), delta <- delta f'. Kept for a row: z (unless f' follows from y), and
/// per-element slopes (random) or slope gradients (learned).
template <class T> class ActivationPart {
 public:
  ActivationPart(Activation f, Index units);

  /// The learned slopes, when there are any.
  std::vector<ParameterInfo> parameters(Index offset) const;
  void initialize(T* slopes) const;
  Index kept_per_row() const { return units_ * ((keeps_input(f_) ? 1 : 0) + (extra() ? 1 : 0)); }

  /// Where z goes: the output itself, or the kept matrix.
  T* pre_activation(const Tape<T>& tape) const { return keeps_input(f_) ? tape.kept : tape.output; }
  /// y = f(z + bias) for one block, z as `pre_activation` has it; `slopes` are the learned ones.
  void forward(const Pass&, const Tape<T>&, const T* bias, const T* slopes, Index row, Index rows, Index column,
               Index columns) const;
  /// delta *= f' for one block; with learned slopes, also their gradient by element.
  void scale_delta(const Pass&, const Tape<T>&, const T* slopes, Index row, Index rows, Index column,
                   Index columns) const;
  /// Sums the slopes' gradient over the rows, for the units of `part`.
  void slope_gradient(const Tape<T>&, T* gradient, bool accumulate, Range part) const;
  bool learns() const { return slope_ == Slope::learned; }
  bool random() const { return slope_ == Slope::random; }

 private:
  bool extra() const { return slope_ == Slope::learned || slope_ == Slope::random; }
  T* extra_of(const Tape<T>& tape) const { return tape.kept + tape.rows * units_ * (keeps_input(f_) ? 1 : 0); }
  Slopes<T> slopes_at(const Tape<T>&, const T* learned, bool training, Index row, Index column) const;
  void draw(const Pass&, const Tape<T>&, Index row, Index rows, Index column, Index columns) const;

  Activation f_;
  Index units_;
  Slope slope_;
  std::vector<T> fixed_;  // parity, or the mean random slope, by unit
  double lower_ = 0, upper_ = 0;
};

/// out (+)= the sum over the rows of the columns `part` of a (rows, columns) matrix, row by row.
template <class T> void sum_rows(const T* matrix, Index rows, Index columns, Range part, T* out, bool accumulate);

}  // namespace lamina
