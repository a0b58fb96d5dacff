/// 64-byte-aligned flat memory: parameters, gradients and optimizer slots are each one of these.
#pragma once

#include <cstring>
#include <utility>

#include "core/memory.hpp"
#include "core/types.hpp"

namespace lamina {

/// A fixed-size, zero-filled, 64-byte-aligned array of T. Copies are deep.
template <class T> class Arena {
 public:
  Arena() = default;
  /// Throws std::bad_alloc when the memory is not there.
  explicit Arena(Index size) : size_(size) {
    if (size == 0) return;
    data_ = allocate<T>(size);
    fill_zero();
  }
  Arena(const Arena& other) : Arena(other.size_) { copy_from(other); }
  Arena& operator=(const Arena& other) {
    if (this != &other) {
      Arena copy(other);
      *this = std::move(copy);
    }
    return *this;
  }
  Arena(Arena&& other) noexcept : data_(std::move(other.data_)), size_(other.size_) { other.size_ = 0; }
  Arena& operator=(Arena&& other) noexcept {
    data_ = std::move(other.data_);
    size_ = other.size_;
    other.size_ = 0;
    return *this;
  }

  T* data() { return data_.get(); }
  const T* data() const { return data_.get(); }
  Index size() const { return size_; }
  bool empty() const { return size_ == 0; }
  /// All of it as Eigen sees it.
  Vector<T> vector() { return {data(), size_}; }
  Vector<const T> vector() const { return {data(), size_}; }
  T& operator[](Index i) { return data_.get()[i]; }
  const T& operator[](Index i) const { return data_.get()[i]; }
  T* begin() { return data(); }
  T* end() { return data() + size_; }
  const T* begin() const { return data(); }
  const T* end() const { return data() + size_; }

  void fill_zero() {
    if (size_ > 0) std::memset(static_cast<void*>(data_.get()), 0, static_cast<std::size_t>(size_) * sizeof(T));
  }
  /// Element-wise copy from an arena of the same size.
  void copy_from(const Arena& other) {
    if (size_ > 0) std::memcpy(data_.get(), other.data_.get(), static_cast<std::size_t>(size_) * sizeof(T));
  }
  /// At least `size` elements; the old content is lost when it grows.
  void reserve(Index size) {
    if (size > size_) *this = Arena(size);
  }

 private:
  AlignedMemory<T> data_;
  Index size_ = 0;
};

}  // namespace lamina
