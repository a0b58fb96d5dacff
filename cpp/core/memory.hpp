/// Memory for arrays: aligned to cache lines, and in large pages where the system has them.
#pragma once

#include <cstddef>
#include <cstdlib>
#include <memory>
#include <new>

#if defined(__linux__)
#include <sys/mman.h>
#endif

namespace lamina {

struct FreeMemory {
  void operator()(void* p) const { std::free(p); }
};
template <class T> using AlignedMemory = std::unique_ptr<T, FreeMemory>;

/// `count` elements of T (a float or double), 64-byte aligned, contents undefined. From 4 MiB on they start at a large
/// page, and the system is asked for such pages: the rows of a wide matrix are far apart, and each would need an entry
/// of its own in the TLB. Throws std::bad_alloc.
template <class T> AlignedMemory<T> allocate(std::ptrdiff_t count) {
  constexpr std::size_t line = 64, page = std::size_t{2} << 20;
  const std::size_t bytes = (static_cast<std::size_t>(count) * sizeof(T) + line - 1) / line * line;
  const bool large = bytes >= 2 * page;
  void* const p = std::aligned_alloc(large ? page : line, large ? (bytes + page - 1) / page * page : bytes);
  if (!p) throw std::bad_alloc();
#if defined(__linux__)
  if (large) madvise(p, bytes / page * page, MADV_HUGEPAGE);  // refused or unknown, it changes nothing
#endif
  return AlignedMemory<T>(static_cast<T*>(p));
}

}  // namespace lamina
