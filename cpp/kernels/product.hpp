/// Matrix products in Eigen's terms: a layer writes
///
///   product(x, W, z, buffer, finish);             // z  = x W, then `finish` for every block while it is in cache
///   product(x.transpose(), delta, dW, buffer);    // dW = xᵀ δ
///   product(delta, W.transpose(), dx, buffer);    // dx = δ Wᵀ
///
/// A transpose has data and strides, so it is an operand at no cost. Kernels and bits are strided_product.hpp's.
#pragma once

#include "core/types.hpp"
#include "kernels/strided_product.hpp"

namespace lamina::kernels {

/// Whether a result replaces what is there, or is added to it.
enum class Store { set, add };

/// Data and strides of a map, a block of one or the transpose of either.
template <class A> Operand<typename A::Scalar> operand(const Eigen::ArrayBase<A>& a) {
  return {a.derived().data(), a.derived().rowStride(), a.derived().colStride()};
}

/// c = a b, or c += a b. Throws std::bad_alloc where `buffer` cannot grow.
template <class A, class B, class T>
void product(const Eigen::ArrayBase<A>& a, const Eigen::ArrayBase<B>& b, const Matrix<T>& c, PackBuffer<T>& buffer,
             Store store, Epilogue finish = {}) {
  eigen_assert(a.rows() == c.rows() && a.cols() == b.rows() && b.cols() == c.cols());
  multiply<T>(
      {c.rows(), c.cols(), a.cols(), operand(a), operand(b), c.row_data(0), c.outerStride(), store == Store::add},
      buffer, finish);
}
template <class A, class B, class T>
void product(const Eigen::ArrayBase<A>& a, const Eigen::ArrayBase<B>& b, const Matrix<T>& c, PackBuffer<T>& buffer,
             Epilogue finish = {}) {
  product(a, b, c, buffer, Store::set, finish);
}

/// The same with b packed beforehand, by `pack`.
template <class A, class T>
void product(const Eigen::ArrayBase<A>& a, const PackedB<T>& b, const Matrix<T>& c, PackBuffer<T>& buffer,
             Store store = Store::set, Epilogue finish = {}) {
  eigen_assert(a.rows() == c.rows() && a.cols() == b.depth() && b.columns() == c.cols());
  multiply<T>({c.rows(), c.cols(), a.cols(), operand(a), {}, c.row_data(0), c.outerStride(), store == Store::add}, b,
              buffer, finish);
}

/// Packs b for many products, in memory that is reused from one call to the next. Throws std::bad_alloc.
template <class B, class T> void pack(const Eigen::ArrayBase<B>& b, PackedB<T>& packed) {
  packed.pack(b.cols(), b.rows(), operand(b));
}

}  // namespace lamina::kernels
