/// Counting: indices, ranges and blocks of them, and how threads share them.
#pragma once

#include <cstddef>
#include <cstdint>

namespace lamina {

using Index = std::ptrdiff_t;

/// A half-open range of rows, columns or elements.
struct Range {
  Index begin = 0;
  Index end = 0;
  Index size() const { return end - begin; }
};

/// Some rows by some columns of a matrix.
struct Block {
  Range rows, columns;
  /// The same block of a matrix in which this one's row 0 is row `first`.
  Block below(Index first) const { return {{rows.begin + first, rows.end + first}, columns}; }
};

/// Part `part` of `parts` of [0, n), cut at multiples of `grain`: how threads share work.
inline Range part_of(Index n, Index part, Index parts, Index grain = 1) {
  const Index blocks = (n + grain - 1) / grain;
  const auto cut = [&](Index p) {
    const Index at = blocks * p / parts * grain;
    return at < n ? at : n;
  };
  return {cut(part), cut(part + 1)};
}

}  // namespace lamina
