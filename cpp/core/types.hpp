/// The types everything shares. Matrices are row-major: a row is a sample, C-contiguous as NumPy has it.
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

/// Part `part` of `parts` of [0, n), cut at multiples of `grain`: how threads share work.
inline Range part_of(Index n, Index part, Index parts, Index grain = 1) {
  const Index blocks = (n + grain - 1) / grain;
  const auto cut = [&](Index p) {
    const Index at = blocks * p / parts * grain;
    return at < n ? at : n;
  };
  return {cut(part), cut(part + 1)};
}

/// A non-owning view of a (rows, columns) row-major matrix of samples.
template <class T> struct Rows {
  const T* data = nullptr;
  Index rows = 0;
  Index columns = 0;
  const T* row(Index i) const { return data + i * columns; }
};

}  // namespace lamina
