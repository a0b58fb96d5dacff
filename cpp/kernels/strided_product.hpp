/// Dense matrix products for one thread, of strided operands: the forward product X W, the weight gradient Xᵀ dZ and
/// the input gradient dZ Wᵀ, which differ in strides only. Threads share a product by calling it for their own rows or
/// columns of C. Layers write them in Eigen's terms, by kernels/product.hpp.
///
/// Bits: every element is the same chain, c = fma(a[i, k], b[k, j], c) over increasing k from 0 (or from the old c), so
/// it depends neither on the other elements nor on blocking, vector width or the split between threads. Zeros are never
/// skipped: NaN and infinity spread as the formula says.
#pragma once

#include <memory>
#include <type_traits>

#include "core/index.hpp"
#include "core/memory.hpp"

namespace lamina::kernels {

/// A strided view of a matrix: element (i, j) is data[i * row_stride + j * col_stride]; a transpose is a swap of
/// strides.
template <class T> struct Operand {
  const T* data;
  Index row_stride, col_stride;

  /// The view that starts at element (i, j).
  Operand from(Index i, Index j) const { return {data + i * row_stride + j * col_stride, row_stride, col_stride}; }
};

/// Reusable memory for packed operands, and for a product computed transposed: 64-byte aligned, grows and never
/// shrinks. One per thread.
template <class T> class PackBuffer {
 public:
  /// Room for `count` elements, whose contents are undefined. Throws std::bad_alloc.
  T* reserve(Index count) { return packed_.reserve(count); }
  /// The same beside it.
  T* reserve_transposed(Index count) { return transposed_.reserve(count); }

 private:
  struct Growing {
    T* reserve(Index count);
    AlignedMemory<T> data;
    Index capacity = 0;
  };
  Growing packed_, transposed_;
};

/// What to do with each finished block of C (all of k summed) while it is in cache. The blocks cover C exactly once; C
/// may be changed in place. A reference to a callable f(Block), which must outlive the product; empty by default.
class Epilogue {
 public:
  Epilogue() = default;
  template <class F, class = std::enable_if_t<!std::is_same_v<std::decay_t<F>, Epilogue>>>
  Epilogue(F&& f)
      : object_(const_cast<void*>(static_cast<const void*>(std::addressof(f)))),
        call_([](void* object, const Block& block) { (*static_cast<std::remove_reference_t<F>*>(object))(block); }) {}

  explicit operator bool() const { return call_ != nullptr; }
  void operator()(const Block& block) const { call_(object_, block.below(first_row_)); }
  /// The same for a product whose row 0 is row `first` of what the callable knows.
  Epilogue below(Index first) const {
    Epilogue other = *this;
    other.first_row_ += first;
    return other;
  }

 private:
  void* object_ = nullptr;
  void (*call_)(void*, const Block&) = nullptr;
  Index first_row_ = 0;
};

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

/// One product: C = A B, or C += A B with `accumulate`. A is m x k, B k x n, C m x n row-major, its rows `c_stride` >=
/// n elements apart. C must not overlap A or B.
template <class T> struct StridedProduct {
  Index m, n, k;
  Operand<T> a, b;
  T* c;
  Index c_stride;
  bool accumulate = false;
};

/// With k = 0, C becomes zero (or stays); with m = 0 or n = 0 nothing happens. Only `buffer` may allocate, the first
/// time that a shape needs more room.
template <class T> void multiply(const StridedProduct<T>& product, PackBuffer<T>& buffer, Epilogue epilogue = {});

/// The same with B packed beforehand: n and k are those of `b`, and the product's own B is not looked at.
template <class T>
void multiply(const StridedProduct<T>& product, const PackedB<T>& b, PackBuffer<T>& buffer, Epilogue epilogue = {});

extern template class PackBuffer<float>;
extern template class PackBuffer<double>;
extern template class PackedB<float>;
extern template class PackedB<double>;

}  // namespace lamina::kernels
