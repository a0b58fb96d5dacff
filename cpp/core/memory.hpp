/// Memory for arrays: aligned to cache lines, and in large pages where the system has them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace lamina {

/// Gives back what `allocate` gave, by the alignment it was given with.
struct FreeMemory {
  std::align_val_t alignment{1};
  void operator()(void* p) const { ::operator delete(p, alignment); }
};
template <class T> using AlignedMemory = std::unique_ptr<T, FreeMemory>;

/// `count` elements of T (a float or double), 64-byte aligned, contents undefined. From 4 MiB on they start at a large
/// page, and the system is asked for such pages: the rows of a wide matrix are far apart, and each would need an entry
/// of its own in the TLB. Throws std::bad_alloc, also for a count that no address could reach or that is negative.
template <class T> AlignedMemory<T> allocate(std::ptrdiff_t count) {
  constexpr std::size_t line = 64, page = std::size_t{2} << 20;
  if (count < 0 || static_cast<std::size_t>(count) > (PTRDIFF_MAX - page) / sizeof(T)) throw std::bad_alloc();
  const std::size_t wanted = static_cast<std::size_t>(count) * sizeof(T);
  const bool large = wanted >= 2 * page;
  const std::align_val_t alignment{large ? page : line};
  const std::size_t bytes = (wanted + line - 1) / line * line;
  AlignedMemory<T> memory(static_cast<T*>(::operator new(bytes, alignment)), FreeMemory{alignment});
#if defined(__linux__)
  // Whole pages alone, so that no memory is wasted. Refused or unknown, it changes nothing.
  if (large) madvise(memory.get(), bytes / page * page, MADV_HUGEPAGE);
#endif
  return memory;
}

}  // namespace lamina
