#include "model/sequences.hpp"

#include <algorithm>
#include <numeric>

namespace lamina {

void Sequences::arrange(const std::int64_t* index, Index first, Index count, const std::int32_t* lengths, Index steps) {
  const auto number = [&](Index place) { return index ? index[place] : std::int64_t{first + place}; };
  const auto length = [&](std::int64_t sample) { return lengths ? Index{lengths[sample]} : steps; };
  place_.resize(static_cast<std::size_t>(count));
  std::iota(place_.begin(), place_.end(), Index{0});
  if (lengths) {
    // Longest first, in the order they have: told by place, as a stable sort would need memory for every batch.
    std::sort(place_.begin(), place_.end(), [&](Index a, Index b) {
      const Index of_a = length(number(a)), of_b = length(number(b));
      return of_a != of_b ? of_a > of_b : a < b;
    });
  }
  order_.resize(place_.size());
  std::transform(place_.begin(), place_.end(), order_.begin(), number);
  flat_.clear();
  start_.clear();
  row_.clear();
  for (Index begin = 0; begin < count; begin += block_samples) {
    const std::int64_t* sample = order_.data() + begin;
    Index active = std::min(block_samples, count - begin);
    start_.push_back(static_cast<Index>(row_.size()));
    const Index last = length(sample[0]);
    for (Index t = 0; t < last; ++t) {
      while (length(sample[active - 1]) <= t) --active;
      row_.push_back(rows());
      for (Index i = 0; i < active; ++i) flat_.push_back(sample[i] * steps + t);
    }
    row_.insert(row_.end(), 2, rows());
  }
  start_.push_back(static_cast<Index>(row_.size()));
}

Range Sequences::rows_of(Range samples) const {
  const auto at = [&](Index sample) { return sample < this->samples() ? row(sample / block_samples, 0) : rows(); };
  return {at(samples.begin), at(samples.end)};
}

Range Sequences::blocks_of(Range rows) const {
  const auto first_from = [&](Index wanted) {
    Index b = 0;
    while (b < blocks() && row(b, 0) < wanted) ++b;
    return b;
  };
  return {first_from(rows.begin), first_from(rows.end)};
}

}  // namespace lamina
