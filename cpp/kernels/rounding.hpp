/// How the processor rounds, which is the thread's own and anybody's to set: other libraries flush the smallest numbers
/// to zero, or round downwards. The same seed has the same bits all the same.
#pragma once

#include <cstdint>

#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

namespace lamina::kernels {

/// While it lives this thread rounds to nearest and keeps the smallest numbers; then it does as it did before.
class UsualRounding {
 public:
  UsualRounding() : before_(now()) {
    if (!is_usual()) set((before_ & ~mask) | usual);
  }
  ~UsualRounding() {
    if (!is_usual()) set(before_);
  }
  UsualRounding(const UsualRounding&) = delete;
  UsualRounding& operator=(const UsualRounding&) = delete;

 private:
#if defined(__x86_64__)
  using Word = unsigned int;
  static constexpr Word mask = 0xffc0;  // of MXCSR: all but the flags of what has happened
  static constexpr Word usual = 0x1f80;
  static Word now() { return _mm_getcsr(); }
  static void set(Word word) { _mm_setcsr(word); }
#elif defined(__aarch64__)
  using Word = std::uint64_t;
  static constexpr Word mask = 0x7c80000;  // of FPCR: flushing to zero, default NaN, rounding
  static constexpr Word usual = 0;
  static Word now() {
    Word word;
    asm volatile("mrs %0, fpcr" : "=r"(word));
    return word;
  }
  static void set(Word word) { asm volatile("msr fpcr, %0" : : "r"(word) : "memory"); }
#else
  using Word = int;
  static constexpr Word mask = 0, usual = 0;
  static Word now() { return 0; }
  static void set(Word) {}
#endif
  bool is_usual() const { return (before_ & mask) == usual; }

  const Word before_;
};

}  // namespace lamina::kernels
