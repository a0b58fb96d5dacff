/// One vector type for every instruction set: `Vec<T, N>` is N lanes of float or double on top of the compiler's
/// vector extension, so that a kernel is written once and compiled per level (SSE4.2, AVX2, AVX-512, NEON).
///
/// Bits: every operation here is a correctly rounded IEEE operation on each lane (`fma` included, where the machine has
/// one), so a kernel written lane by lane gives the same bits at any width. Nothing here approximates (no rcp, rsqrt).
/// SSE4.2 has no fused multiply-add: there `fma(a, b, c)` rounds twice, and the bits differ from the other levels'.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <type_traits>

#if defined(__SSE2__)
#include <immintrin.h>
#elif defined(__ARM_NEON)
#include <arm_neon.h>
#endif

#define LAMINA_INLINE inline __attribute__((always_inline))

namespace lamina::simd {

/// Bytes of the widest register the target has; `LAMINA_VECTOR_BYTES` overrides it, to test one width on another's
/// machine.
#if defined(LAMINA_VECTOR_BYTES)
inline constexpr int vector_bytes = LAMINA_VECTOR_BYTES;
#elif defined(__AVX512F__)
inline constexpr int vector_bytes = 64;
#elif defined(__AVX__)
inline constexpr int vector_bytes = 32;
#else
inline constexpr int vector_bytes = 16;
#endif

/// Lanes of T in the widest register.
template <class T> inline constexpr int lanes = vector_bytes / static_cast<int>(sizeof(T));

template <class T> using Bits = std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t>;

/// The compiler's own vector of N lanes of T.
template <class T, int N> struct Native {
  typedef T Type __attribute__((vector_size(N * sizeof(T))));
};

/// The result of a comparison: all bits of a lane set, or none.
template <class T, int N> struct Mask {
  using Raw = typename Native<Bits<T>, N>::Type;
  Raw raw;

  friend LAMINA_INLINE Mask operator&(Mask a, Mask b) { return {a.raw & b.raw}; }
  friend LAMINA_INLINE Mask operator|(Mask a, Mask b) { return {a.raw | b.raw}; }
  friend LAMINA_INLINE Mask operator!(Mask a) { return {~a.raw}; }
};

/// N lanes of integers as wide as T: exponents and bit patterns.
template <class T, int N> struct IntVec {
  using Raw = typename Native<Bits<T>, N>::Type;
  using Wrapping = typename Native<std::make_unsigned_t<Bits<T>>, N>::Type;  // overflow of signed lanes is undefined
  Raw raw;

  LAMINA_INLINE IntVec() = default;
  LAMINA_INLINE IntVec(Raw r) : raw(r) {}
  LAMINA_INLINE IntVec(Bits<T> s) : raw(s - Raw{}) {}

  friend LAMINA_INLINE IntVec operator+(IntVec a, IntVec b) { return {Raw(Wrapping(a.raw) + Wrapping(b.raw))}; }
  friend LAMINA_INLINE IntVec operator-(IntVec a, IntVec b) { return {Raw(Wrapping(a.raw) - Wrapping(b.raw))}; }
  friend LAMINA_INLINE IntVec operator&(IntVec a, IntVec b) { return {a.raw & b.raw}; }
  friend LAMINA_INLINE IntVec operator|(IntVec a, IntVec b) { return {a.raw | b.raw}; }
  friend LAMINA_INLINE IntVec operator^(IntVec a, IntVec b) { return {a.raw ^ b.raw}; }
  friend LAMINA_INLINE IntVec operator<<(IntVec a, int s) { return {Raw(Wrapping(a.raw) << s)}; }
  friend LAMINA_INLINE IntVec operator>>(IntVec a, int s) { return {a.raw >> s}; }
  friend LAMINA_INLINE Mask<T, N> operator<(IntVec a, IntVec b) { return {a.raw < b.raw}; }
  friend LAMINA_INLINE Mask<T, N> operator>(IntVec a, IntVec b) { return {a.raw > b.raw}; }
  friend LAMINA_INLINE Mask<T, N> operator==(IntVec a, IntVec b) { return {a.raw == b.raw}; }
};

/// N lanes of T (float or double).
template <class T, int N = lanes<T>> struct Vec {
  static_assert(std::is_same_v<T, float> || std::is_same_v<T, double>);
  using Scalar = T;
  using M = Mask<T, N>;
  static constexpr int size = N;
  using Raw = typename Native<T, N>::Type;
  Raw raw;

  LAMINA_INLINE Vec() = default;
  LAMINA_INLINE Vec(Raw r) : raw(r) {}
  LAMINA_INLINE Vec(T s) : raw(s - Raw{}) {}  // minus zero, not plus: keeps the sign of -0

  static LAMINA_INLINE Vec load(const T* p) {
    Vec v;
    std::memcpy(&v.raw, p, sizeof(Raw));
    return v;
  }
  LAMINA_INLINE void store(T* p) const { std::memcpy(p, &raw, sizeof(Raw)); }

  /// The first n lanes from memory, the others zero: a remainder goes through the same lanes as the rest.
  static LAMINA_INLINE Vec load_partial(const T* p, std::ptrdiff_t n) {
#if defined(__AVX__)
    constexpr bool is_float = std::is_same_v<T, float>;
#if defined(__AVX512F__)
    const auto first = static_cast<std::uint32_t>((1U << n) - 1U);
    if constexpr (N * sizeof(T) == 64 && is_float) return {_mm512_maskz_loadu_ps(static_cast<__mmask16>(first), p)};
    else if constexpr (N * sizeof(T) == 64) return {_mm512_maskz_loadu_pd(static_cast<__mmask8>(first), p)};
#endif
    if constexpr (N * sizeof(T) == 32 || N * sizeof(T) == 16) {
      typename Native<Bits<T>, N>::Type place;
      for (int i = 0; i < N; ++i) place[i] = i;
      const auto wanted = place < static_cast<Bits<T>>(n) - typename Native<Bits<T>, N>::Type{};
      if constexpr (N * sizeof(T) == 32 && is_float) return {_mm256_maskload_ps(p, (__m256i)wanted)};
      else if constexpr (N * sizeof(T) == 32) return {_mm256_maskload_pd(p, (__m256i)wanted)};
      else if constexpr (is_float) return {_mm_maskload_ps(p, (__m128i)wanted)};
      else return {_mm_maskload_pd(p, (__m128i)wanted)};
    }
#endif
    T whole[N] = {};
    copy_first(whole, p, n);
    return load(whole);
  }
  LAMINA_INLINE void store_partial(T* p, std::ptrdiff_t n) const {
#if defined(__AVX512F__)
    const auto first = static_cast<std::uint32_t>((1U << n) - 1U);
    if constexpr (N * sizeof(T) == 64 && std::is_same_v<T, float>) {
      return _mm512_mask_storeu_ps(p, static_cast<__mmask16>(first), raw);
    } else if constexpr (N * sizeof(T) == 64) {
      return _mm512_mask_storeu_pd(p, static_cast<__mmask8>(first), raw);
    }
#endif
    T whole[N];
    store(whole);
    copy_first(p, whole, n);
  }

  /// Copies 0 <= n <= N elements in pieces of fixed size: a memcpy of variable size is a slow call, and so is a masked
  /// store on some AVX2 machines.
  static LAMINA_INLINE void copy_first(T* to, const T* from, std::ptrdiff_t n) {
    if (n == N) {
      std::memcpy(to, from, N * sizeof(T));
      return;
    }
    for (int piece = N / 2; piece > 0; piece /= 2) {
      if ((n & piece) == 0) continue;
      std::memcpy(to, from, static_cast<std::size_t>(piece) * sizeof(T));
      to += piece;
      from += piece;
    }
  }

  LAMINA_INLINE T operator[](int i) const { return raw[i]; }

  friend LAMINA_INLINE Vec operator+(Vec a, Vec b) { return {a.raw + b.raw}; }
  friend LAMINA_INLINE Vec operator-(Vec a, Vec b) { return {a.raw - b.raw}; }
  friend LAMINA_INLINE Vec operator*(Vec a, Vec b) { return {a.raw * b.raw}; }
  friend LAMINA_INLINE Vec operator/(Vec a, Vec b) { return {a.raw / b.raw}; }
  friend LAMINA_INLINE Vec operator-(Vec a) { return {-a.raw}; }
  LAMINA_INLINE Vec& operator+=(Vec b) { return *this = *this + b; }
  LAMINA_INLINE Vec& operator-=(Vec b) { return *this = *this - b; }
  LAMINA_INLINE Vec& operator*=(Vec b) { return *this = *this * b; }

  friend LAMINA_INLINE M operator<(Vec a, Vec b) { return {a.raw < b.raw}; }
  friend LAMINA_INLINE M operator<=(Vec a, Vec b) { return {a.raw <= b.raw}; }
  friend LAMINA_INLINE M operator>(Vec a, Vec b) { return {a.raw > b.raw}; }
  friend LAMINA_INLINE M operator>=(Vec a, Vec b) { return {a.raw >= b.raw}; }
  friend LAMINA_INLINE M operator==(Vec a, Vec b) { return {a.raw == b.raw}; }
  friend LAMINA_INLINE M operator!=(Vec a, Vec b) { return {a.raw != b.raw}; }
};

template <class T, int N> LAMINA_INLINE Vec<T, N> select(Mask<T, N> m, Vec<T, N> yes, Vec<T, N> no) {
  return {m.raw ? yes.raw : no.raw};
}
template <class T, int N> LAMINA_INLINE IntVec<T, N> select(Mask<T, N> m, IntVec<T, N> yes, IntVec<T, N> no) {
  return {m.raw ? yes.raw : no.raw};
}

template <class T, int N> LAMINA_INLINE IntVec<T, N> bits(Vec<T, N> x) {
  return {reinterpret_cast<typename IntVec<T, N>::Raw>(x.raw)};
}
template <class T, int N> LAMINA_INLINE Vec<T, N> from_bits(IntVec<T, N> x) {
  return {reinterpret_cast<typename Vec<T, N>::Raw>(x.raw)};
}

/// Shift right that fills with zeros (AVX2 has no other for 64-bit lanes).
template <class T, int N> LAMINA_INLINE IntVec<T, N> shift_right_unsigned(IntVec<T, N> x, int s) {
  using Unsigned = typename Native<std::make_unsigned_t<Bits<T>>, N>::Type;
  return {reinterpret_cast<typename IntVec<T, N>::Raw>(reinterpret_cast<Unsigned>(x.raw) >> s)};
}

template <class T> inline constexpr Bits<T> sign_bit = std::numeric_limits<Bits<T>>::min();

template <class T, int N> LAMINA_INLINE Vec<T, N> abs(Vec<T, N> x) {
  return from_bits(bits(x) & IntVec<T, N>(~sign_bit<T>));
}
/// |magnitude| with the sign of `sign`.
template <class T, int N> LAMINA_INLINE Vec<T, N> copysign(Vec<T, N> magnitude, Vec<T, N> sign) {
  const IntVec<T, N> s(sign_bit<T>);
  return from_bits((bits(magnitude) & IntVec<T, N>(~sign_bit<T>)) | (bits(sign) & s));
}
/// The larger; `b` where either is NaN or both are zero. (g++ 12 makes two instructions of the select.)
template <class T, int N> LAMINA_INLINE Vec<T, N> max(Vec<T, N> a, Vec<T, N> b) {
#if defined(__SSE2__)
  constexpr int bytes = N * static_cast<int>(sizeof(T));
  if constexpr (bytes == 16 && sizeof(T) == 4) return {_mm_max_ps(a.raw, b.raw)};
  else if constexpr (bytes == 16) return {_mm_max_pd(a.raw, b.raw)};
#if defined(__AVX__)
  else if constexpr (bytes == 32 && sizeof(T) == 4) return {_mm256_max_ps(a.raw, b.raw)};
  else if constexpr (bytes == 32) return {_mm256_max_pd(a.raw, b.raw)};
#endif
  else
#endif
    return select(a > b, a, b);
}
/// The smaller; `b` where either is NaN or both are zero.
template <class T, int N> LAMINA_INLINE Vec<T, N> min(Vec<T, N> a, Vec<T, N> b) {
#if defined(__SSE2__)
  constexpr int bytes = N * static_cast<int>(sizeof(T));
  if constexpr (bytes == 16 && sizeof(T) == 4) return {_mm_min_ps(a.raw, b.raw)};
  else if constexpr (bytes == 16) return {_mm_min_pd(a.raw, b.raw)};
#if defined(__AVX__)
  else if constexpr (bytes == 32 && sizeof(T) == 4) return {_mm256_min_ps(a.raw, b.raw)};
  else if constexpr (bytes == 32) return {_mm256_min_pd(a.raw, b.raw)};
#endif
  else
#endif
    return select(a < b, a, b);
}
template <class T, int N> LAMINA_INLINE Mask<T, N> is_nan(Vec<T, N> x) { return x != x; }
template <class T, int N> LAMINA_INLINE bool any(Mask<T, N> m) {
  Bits<T> seen = 0;
  for (int i = 0; i < N; ++i) seen |= m.raw[i];
  return seen != 0;
}

/// Whether `fma` rounds once on this target.
#if defined(__FMA__) || defined(__ARM_NEON)
inline constexpr bool has_fma = true;
#else
inline constexpr bool has_fma = false;
#endif

/// a * b + c, rounded once wherever the target has it.
template <class T, int N> LAMINA_INLINE Vec<T, N> fma(Vec<T, N> a, Vec<T, N> b, Vec<T, N> c) {
  if constexpr (!has_fma) {
    return a * b + c;
  } else {
#if defined(__FMA__)
    constexpr int bytes = N * static_cast<int>(sizeof(T));
    constexpr bool is_float = std::is_same_v<T, float>;
    if constexpr (bytes == 32 && is_float) return {_mm256_fmadd_ps(a.raw, b.raw, c.raw)};
    else if constexpr (bytes == 32) return {_mm256_fmadd_pd(a.raw, b.raw, c.raw)};
    else if constexpr (bytes == 16 && is_float) return {_mm_fmadd_ps(a.raw, b.raw, c.raw)};
    else if constexpr (bytes == 16) return {_mm_fmadd_pd(a.raw, b.raw, c.raw)};
#if defined(__AVX512F__)
    else if constexpr (bytes == 64 && is_float) return {_mm512_fmadd_ps(a.raw, b.raw, c.raw)};
    else if constexpr (bytes == 64) return {_mm512_fmadd_pd(a.raw, b.raw, c.raw)};
#endif
    else
#elif defined(__ARM_NEON)
    constexpr int bytes = N * static_cast<int>(sizeof(T));
    if constexpr (bytes == 16 && std::is_same_v<T, float>) return {vfmaq_f32(c.raw, a.raw, b.raw)};
    else if constexpr (bytes == 16) return {vfmaq_f64(c.raw, a.raw, b.raw)};
    else
#endif
    {
      Vec<T, N> r;
      for (int i = 0; i < N; ++i) {
        if constexpr (std::is_same_v<T, float>) r.raw[i] = __builtin_fmaf(a.raw[i], b.raw[i], c.raw[i]);
        else r.raw[i] = __builtin_fma(a.raw[i], b.raw[i], c.raw[i]);
      }
      return r;
    }
  }
}

template <class T, int N> LAMINA_INLINE Vec<T, N> sqrt(Vec<T, N> x) {
#if defined(__SSE2__)
  constexpr int bytes = N * static_cast<int>(sizeof(T));
  constexpr bool is_float = std::is_same_v<T, float>;
  if constexpr (bytes == 16 && is_float) return {_mm_sqrt_ps(x.raw)};
  else if constexpr (bytes == 16) return {_mm_sqrt_pd(x.raw)};
#if defined(__AVX__)
  else if constexpr (bytes == 32 && is_float) return {_mm256_sqrt_ps(x.raw)};
  else if constexpr (bytes == 32) return {_mm256_sqrt_pd(x.raw)};
#endif
#if defined(__AVX512F__)
  else if constexpr (bytes == 64 && is_float) return {_mm512_maskz_sqrt_ps(static_cast<__mmask16>(-1), x.raw)};
  else if constexpr (bytes == 64) return {_mm512_maskz_sqrt_pd(static_cast<__mmask8>(-1), x.raw)};
#endif
  else
#endif
  {
    Vec<T, N> r;
    for (int i = 0; i < N; ++i) {
      if constexpr (std::is_same_v<T, float>) r.raw[i] = __builtin_sqrtf(x.raw[i]);
      else r.raw[i] = __builtin_sqrt(x.raw[i]);
    }
    return r;
  }
}

/// `f` of the lanes of x, evaluated in double: for formulas that cancel in float. f takes and gives Vec<double, N / 2>.
template <int N, class F> LAMINA_INLINE Vec<float, N> in_double(Vec<float, N> x, F&& f) {
  if constexpr (N == 1) {
    return Vec<float, 1>(static_cast<float>(f(Vec<double, 1>(static_cast<double>(x[0])))[0]));
  } else {
    using Half = Vec<double, N / 2>;
    using HalfRaw = typename Native<float, N / 2>::Type;
    HalfRaw part[2];
    std::memcpy(part, &x.raw, sizeof(part));
    for (HalfRaw& p : part) {
      const Half y = f(Half(__builtin_convertvector(p, typename Half::Raw)));
      p = __builtin_convertvector(y.raw, HalfRaw);
    }
    Vec<float, N> r;
    std::memcpy(&r.raw, part, sizeof(part));
    return r;
  }
}

/// The sum of the lanes, always in the order ((0 + 1) + 2) + ...; for reports, not for hot loops.
template <class T, int N> LAMINA_INLINE T sum_lanes(Vec<T, N> x) {
  T s = x.raw[0];
  for (int i = 1; i < N; ++i) s += x.raw[i];
  return s;
}

}  // namespace lamina::simd
