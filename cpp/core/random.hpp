/// One counter-based random generator for shuffles, initial weights, dropout and random slopes: Philox4x32-10 (Salmon
/// et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011). A draw is a pure function of (seed, stream,
/// counter), so it does not matter which thread asks, or in which order.
#pragma once

#include <array>
#include <cstdint>

namespace lamina {

/// What a stream of draws is for: two uses of one seed never share numbers. What layers draw in training has one
/// purpose for all of them, since their positions, the substreams, tell them apart.
enum class Purpose : std::uint32_t { initialize, shuffle, layer, slope, cascade, split, sample, data_start };

class Random {
 public:
  using Block = std::array<std::uint32_t, 4>;

  Random(std::uint64_t seed, Purpose purpose, std::uint32_t substream = 0)
      : key_{static_cast<std::uint32_t>(seed), static_cast<std::uint32_t>(seed >> 32)},
        stream_{static_cast<std::uint32_t>(purpose), substream} {}

  /// The same stream's part number `part`: other numbers, for a layer's further arrays.
  Random part(std::uint32_t part) const {
    Random other = *this;
    other.stream_[1] ^= part << 24;
    return other;
  }

  /// The same of one of many networks that are drawn alike.
  Random member(std::uint32_t number) const {
    Random other = *this;
    other.stream_[0] ^= number << 8;
    return other;
  }

  /// Four independent 32-bit words for this counter.
  Block operator()(std::uint64_t counter) const {
    std::uint32_t x[4][1];
    draw(counter, x);
    return {x[0][0], x[1][0], x[2][0], x[3][0]};
  }

  /// The same for N counters from `first` on, side by side in vectors: word w of the i-th is x[w][i].
  template <int N> void draw(std::uint64_t first, std::uint32_t (&x)[4][N]) const {
    for (int i = 0; i < N; ++i) {
      const std::uint64_t counter = first + static_cast<std::uint64_t>(i);
      x[0][i] = static_cast<std::uint32_t>(counter);
      x[1][i] = static_cast<std::uint32_t>(counter >> 32);
      x[2][i] = stream_[0];
      x[3][i] = stream_[1];
    }
    std::uint32_t k0 = key_[0], k1 = key_[1];
    for (int round = 0; round < 10; ++round) {
      for (int i = 0; i < N; ++i) {
        const std::uint64_t p0 = std::uint64_t{0xD2511F53u} * x[0][i];
        const std::uint64_t p1 = std::uint64_t{0xCD9E8D57u} * x[2][i];
        const std::uint32_t x1 = x[1][i], x3 = x[3][i];
        x[0][i] = static_cast<std::uint32_t>(p1 >> 32) ^ x1 ^ k0;
        x[1][i] = static_cast<std::uint32_t>(p1);
        x[2][i] = static_cast<std::uint32_t>(p0 >> 32) ^ x3 ^ k1;
        x[3][i] = static_cast<std::uint32_t>(p0);
      }
      k0 += 0x9E3779B9u;
      k1 += 0xBB67AE85u;
    }
  }

  /// Uniform in [0, 1), 53 bits.
  double uniform(std::uint64_t counter) const {
    const Block b = (*this)(counter);
    return static_cast<double>(((std::uint64_t{b[0]} << 32) | b[1]) >> 11) * 0x1p-53;
  }

  /// 0 .. n-1 in a random order (Fisher and Yates), written to `order`.
  template <class I> void permute(I* order, std::int64_t n) const {
    Block words{};
    for (std::int64_t i = n - 1; i > 0; --i) {
      // Four draws a block; the multiply-shift keeps the bias below n / 2^32.
      const auto draw = static_cast<std::uint64_t>(n - 1 - i);
      if (draw % 4 == 0) words = (*this)(draw / 4);
      const auto j =
          static_cast<std::int64_t>((std::uint64_t{words[draw % 4]} * static_cast<std::uint64_t>(i + 1)) >> 32);
      const I kept = order[i];
      order[i] = order[j];
      order[j] = kept;
    }
  }

 private:
  std::array<std::uint32_t, 2> key_;
  std::array<std::uint32_t, 2> stream_;
};

}  // namespace lamina
