#include "math/losses.hpp"

#include <algorithm>
#include <cstring>
#include <vector>

#include "kernels/threads.hpp"

namespace lamina {
namespace {

using simd::Vec;

/// Elements of memory on the stack for a block of rows; more outputs take it from the heap.
constexpr Index small_memory = 1024;

/// A label as a row of targets: zeros with a one.
template <class T> struct OneHot {
  static constexpr bool one_hot = true;
  std::int32_t label;
  T operator()(Index j) const { return j == label ? T(1) : T(0); }
};
template <class T> struct GivenRow {
  static constexpr bool one_hot = false;
  const T* values;
  T operator()(Index j) const { return values[j]; }
};

template <class T> class LossRows {
 public:
  LossRows(const Matrix<const T>& outputs, const TargetRows<T>& samples, const Vector<T>& row_loss, T scale,
           const Matrix<T>& delta)
      : y_(outputs),
        samples_(samples),
        row_loss_(row_loss.data() ? const_cast<T*>(row_loss.data()) : nullptr),
        scale_(scale),
        delta_(delta),
        n_(outputs.cols()) {
    eigen_assert(outputs.contiguous() && delta.contiguous());
  }

  /// A loss that looks at a whole row.
  template <class L> void row_wise(const L& loss) const {
    if constexpr (L::has_lanes) {
      if (samples_.targets.labels && loss.lanes_apply() && RowLanes<T>::room(n_) <= small_memory) return in_lanes(loss);
    }
    T small[small_memory];
    T* const memory = n_ <= small_memory ? small : large_memory(n_);
    for (Index i = 0; i < y_.rows(); ++i) {
      const T weight = samples_.weight(i), factor = weight * scale_;
      const Index sample = samples_.sample(i);
      const auto evaluate = [&](const auto& target) {
        row_loss_[i] = weight * loss.row(y_.row_data(i), n_, target, factor, gradient(i), memory);
      };
      if (samples_.targets.labels) evaluate(OneHot<T>{samples_.targets.labels[sample]});
      else evaluate(GivenRow<T>{samples_.targets.values.row_data(sample)});
    }
    leave_out(0, y_.rows());
  }

  /// A loss by element, of a block of rows at once as one flat array, so that few outputs fill the vectors too.
  template <class L> void element_wise(const L& loss) const {
    constexpr Index parts = 3;
    const Index block = std::max<Index>(1, small_memory / 4 / n_), size = block * n_;
    T small[small_memory];
    T* const target = parts * size <= small_memory ? small : large_memory(parts * size);
    T *const factor = target + size, *const value = factor + size;
    for (Index i = 0; i < y_.rows(); i += block) {
      const Index rows = std::min(block, y_.rows() - i);
      for (Index r = 0; r < rows; ++r) {
        samples_.load(i + r, n_, target + r * n_);
        std::fill_n(factor + r * n_, n_, samples_.weight(i + r) * scale_);
      }
      elements(loss, y_.row_data(i), target, factor, rows * n_, value, gradient(i));
      for (Index r = 0; r < rows; ++r) {
        const T* const of_row = value + r * n_;
        const T sum = sum_over_outputs(n_, T(0), [=](Index j) { return of_row[j]; });
        row_loss_[i + r] = samples_.weight(i + r) * sum;
      }
      leave_out(i, rows);
    }
  }

  /// Targets go as rows of values, labels as rows of zeros with a one.
  void custom(const loss::Custom& loss) const {
    using Owned = Eigen::Array<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
    const Index rows = y_.rows();
    if (rows == 0) return;
    Owned target = Owned::Zero(rows, n_), derivative(delta_.empty() ? 0 : rows, n_);
    for (Index i = 0; i < rows; ++i) {
      const Index sample = samples_.sample(i);
      if (samples_.targets.labels) {
        for (Index j = 0; j < n_; ++j) target(i, j) = OneHot<T>{samples_.targets.labels[sample]}(j);
      } else {
        samples_.load(i, n_, &target(i, 0));
      }
    }
    loss.functions->value(y_.data(), target.data(), row_loss_, rows, n_);
    if (!delta_.empty()) loss.functions->derivative(y_.data(), target.data(), derivative.data(), rows, n_);
    Matrix<T> delta = delta_;
    for (Index i = 0; i < rows; ++i) {
      const T weight = samples_.weight(i);
      row_loss_[i] *= weight;
      if (!delta.empty()) delta.row(i) = (weight * scale_) * derivative.row(i);
    }
    leave_out(0, rows);
  }

 private:
  /// A thread's own, kept from batch to batch.
  struct LargeMemory {
    std::vector<T> values;
  };
  static T* large_memory(Index size) {
    std::vector<T>& memory = kernels::of_this_thread<LargeMemory>().values;
    if (static_cast<Index>(memory.size()) < size) memory.resize(static_cast<std::size_t>(size));
    return memory.data();
  }
  /// Rows of weight 0 have no loss and no slope, even where 0 has met an infinity.
  void leave_out(Index first, Index rows) const {
    if (samples_.weights.empty()) return;
    for (Index i = first; i < first + rows; ++i) {
      if (samples_.weights.data()[samples_.sample(i)] != 0) continue;
      row_loss_[i] = T(0);
      if (T* const slope = gradient(i)) std::fill_n(slope, n_, T(0));
    }
  }
  T* gradient(Index i) const { return delta_.empty() ? nullptr : delta_.row_data(i); }

  template <class L> void in_lanes(const L& loss) const {
    constexpr Index N = RowLanes<T>::N;
    using V = typename RowLanes<T>::V;
    T memory[small_memory];
    for (Index i = 0; i < y_.rows(); i += N) {
      const Index rows = std::min(N, y_.rows() - i);
      simd::Bits<T> label[N] = {};
      T weight[N];
      std::fill_n(weight, N, T(1));
      for (Index r = 0; r < rows; ++r) label[r] = samples_.targets.labels[samples_.sample(i + r)];
      // Not `weight(i + r)`: g++ makes masked loads from null of it, which are slow to be refused.
      if (!samples_.weights.empty()) {
        for (Index r = 0; r < rows; ++r) weight[r] = samples_.weights.data()[samples_.sample(i + r)];
      }
      simd::IntVec<T, N> labels;
      std::memcpy(&labels.raw, label, sizeof(labels.raw));
      const V w = V::load(weight);
      RowLanes<T> lanes(y_.at_rows({i, i + rows}), memory);
      const V value = w * loss.lanes(lanes, labels, w * V(scale_), !delta_.empty());
      value.store_partial(row_loss_ + i, rows);
      if (!delta_.empty()) lanes.write(delta_.at_rows({i, i + rows}));
      leave_out(i, rows);
    }
  }

  template <class L>
  static void elements(const L& loss, const T* y, const T* target, const T* factor, Index count, T* value,
                       T* gradient) {
    constexpr int N = simd::lanes<T>;
    using V = Vec<T, N>;
    for (Index j = 0; j < count; j += N) {
      const Index some = std::min<Index>(N, count - j);
      const V yv = V::load_partial(y + j, some), tv = V::load_partial(target + j, some);
      const V v = loss.value(yv, tv);
      if (gradient) (V::load_partial(factor + j, some) * loss.derivative(yv, tv)).store_partial(gradient + j, some);
      v.store_partial(value + j, some);
    }
  }

  const Matrix<const T>& y_;
  const TargetRows<T>& samples_;
  T* const row_loss_;
  const T scale_;
  const Matrix<T>& delta_;
  const Index n_;
};

}  // namespace

template <class T>
void evaluate_loss(const Loss& loss, const Matrix<const T>& outputs, const TargetRows<T>& samples,
                   const Vector<T>& row_loss, T scale, const Matrix<T>& delta) {
  const LossRows<T> rows(outputs, samples, row_loss, scale, delta);
  std::visit(
      [&](const auto& entry) {
        using L = std::decay_t<decltype(entry)>;
        if constexpr (std::is_same_v<L, loss::Custom>) rows.custom(entry);
        else if constexpr (L::row_wise) rows.row_wise(entry);
        else rows.element_wise(entry);
      },
      loss);
}

template <class T>
double mean_loss(const Loss& loss, const Matrix<const T>& outputs, const TargetRows<T>& samples,
                 const Matrix<T>& delta) {
  const Index rows = outputs.rows();
  double weight = 0, total = 0;
  for (Index i = 0; i < rows; ++i) weight += static_cast<double>(samples.weight(i));
  Eigen::Array<T, 1, Eigen::Dynamic> row_loss(rows);
  evaluate_loss<T>(loss, outputs, samples, {row_loss.data(), rows}, static_cast<T>(1 / weight), delta);
  for (Index i = 0; i < rows; ++i) total += static_cast<double>(row_loss(i));
  return total / weight;
}

template <class T> void apply_inverse_link(Link link, const Matrix<T>& outputs) {
  eigen_assert(outputs.contiguous());
  constexpr int N = simd::lanes<T>;
  using V = Vec<T, N>;
  const Index rows = outputs.rows(), n = outputs.cols();
  if (link == Link::identity) return;
  if (link == Link::softmax && RowLanes<T>::room(n) <= small_memory && rows > 1) {
    T memory[small_memory];
    for (Index i = 0; i < rows; i += N) {
      const Matrix<T> some = outputs.at_rows({i, std::min<Index>(i + N, rows)});
      RowLanes<T> lanes(some, memory);
      const V sum = lanes.exp_shifted(lanes.top()).sum;
      for (T* e = lanes.at; e < lanes.end; e += N) (V::load(e) / sum).store(e);
      lanes.write(some);
    }
    return;
  }
  T* const y = outputs.row_data(0);
  if (link == Link::softmax) {
    for (Index i = 0; i < rows; ++i) {
      Vector<T> row(y + i * n, n);
      exp_shifted(row.data(), row.data(), n);
      row /= sum_over_outputs(n, T(0), [&](Index j) { return row[j]; });
    }
    return;
  }
  for (Index j = 0; j < rows * n; j += N) {
    const Index count = std::min<Index>(N, rows * n - j);
    const V v = V::load_partial(y + j, count);
    inverse_link(link, v).store_partial(y + j, count);
  }
}

#define LAMINA_INSTANTIATE(T)                                                                                    \
  template void evaluate_loss<T>(const Loss&, const Matrix<const T>&, const TargetRows<T>&, const Vector<T>&, T, \
                                 const Matrix<T>&);                                                              \
  template double mean_loss<T>(const Loss&, const Matrix<const T>&, const TargetRows<T>&, const Matrix<T>&);     \
  template void apply_inverse_link<T>(Link, const Matrix<T>&);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)
#undef LAMINA_INSTANTIATE

}  // namespace lamina
