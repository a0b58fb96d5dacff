/// Dense matrix products for one thread: the forward product X W, the weight gradient Xᵀ dZ and the input gradient
/// dZ Wᵀ, which differ in strides only. Threads share a product by calling it for their own rows or columns of C.
///
/// Bits: every element is the same chain, c = fma(a[i, k], b[k, j], c) over increasing k from 0 (or from the old c), so
/// it depends neither on the other elements nor on blocking, vector width or the split between threads. Zeros are never
/// skipped: NaN and infinity spread as the formula says.
#pragma once

#include <memory>
#include <type_traits>

#include "core/memory.hpp"
#include "core/types.hpp"

namespace lamina::kernels {

/// A strided view of a matrix: element (i, j) is data[i * row_stride + j * col_stride]; a transpose is a swap of
/// strides.
template <class T> struct Operand {
  const T* data;
  Index row_stride, col_stride;

  /// The view that starts at element (i, j).
  Operand from(Index i, Index j) const { return {data + i * row_stride + j * col_stride, row_stride, col_stride}; }
};

/// Reusable memory for packed operands, and for a product computed turned: 64-byte aligned, grows and never shrinks.
/// One per thread.
template <class T> class PackBuffer {
 public:
  /// Room for `count` elements, whose contents are undefined. Throws std::bad_alloc.
  T* reserve(Index count) { return packed_.reserve(count); }
  /// The same beside it.
  T* reserve_turned(Index count) { return turned_.reserve(count); }

 private:
  struct Growing {
    T* reserve(Index count);
    AlignedMemory<T> data;
    Index capacity = 0;
  };
  Growing packed_, turned_;
};

/// A reference to a callable f(row, rows, col, cols): it must outlive the product it is given to. Empty by default.
class BlockFunction {
 public:
  BlockFunction() = default;
  template <class F, class = std::enable_if_t<!std::is_same_v<std::decay_t<F>, BlockFunction>>>
  BlockFunction(F&& f)
      : object_(const_cast<void*>(static_cast<const void*>(std::addressof(f)))),
        call_([](void* object, Index row, Index rows, Index col, Index cols) {
          (*static_cast<std::remove_reference_t<F>*>(object))(row, rows, col, cols);
        }) {}

  explicit operator bool() const { return call_ != nullptr; }
  void operator()(Index row, Index rows, Index col, Index cols) const { call_(object_, row, rows, col, cols); }

 private:
  void* object_ = nullptr;
  void (*call_)(void*, Index, Index, Index, Index) = nullptr;
};

/// What to do with each finished block of C (all of k summed) while it is in cache: rows [row, row + rows) by columns
/// [col, col + cols). The blocks cover C exactly once; C may be changed in place.
template <class T> using Epilogue = BlockFunction;

/// B packed once into panels, to be used by many products and, read only, by many threads.
template <class T> class PackedB {
 public:
  /// Packs the k x n matrix b, in memory that is reused from one call to the next. Throws std::bad_alloc.
  void pack(Index n, Index k, Operand<T> b);

  const T* data() const { return data_; }
  Index columns() const { return n_; }
  Index depth() const { return k_; }

 private:
  PackBuffer<T> buffer_;
  const T* data_ = nullptr;
  Index n_ = 0, k_ = 0;
};

/// C = A B, or C += A B with `accumulate`: A is m x k, B k x n, C m x n row-major with leading dimension ldc >= n. C
/// must not overlap A or B. With k = 0, C becomes zero (or stays); with m = 0 or n = 0 nothing happens. Only `buffer`
/// may allocate, the first time that a shape needs more room.
template <class T>
void product(Index m, Index n, Index k, Operand<T> a, Operand<T> b, T* c, Index ldc, bool accumulate,
             PackBuffer<T>& buffer, Epilogue<T> epilogue = {});

/// The same with B packed beforehand: n and k are those of `b`.
template <class T>
void product(Index m, Operand<T> a, const PackedB<T>& b, T* c, Index ldc, bool accumulate, PackBuffer<T>& buffer,
             Epilogue<T> epilogue = {});

extern template class PackBuffer<float>;
extern template class PackBuffer<double>;
extern template class PackedB<float>;
extern template class PackedB<double>;

}  // namespace lamina::kernels
