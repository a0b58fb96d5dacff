#include "train/split.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>
#include <stdexcept>
#include <string>

#include "core/random.hpp"

namespace lamina {
namespace {

using Numbers = std::vector<std::int64_t>;

/// `rows` cut by the fractions, a piece to the end of every part.
void deal(const Numbers& rows, const std::vector<double>& fractions, std::vector<Numbers>& parts) {
  auto from = rows.begin();
  const std::vector<Index> sizes = part_sizes(static_cast<Index>(rows.size()), fractions);
  for (std::size_t p = 0; p < sizes.size(); ++p) {
    parts[p].insert(parts[p].end(), from, from + sizes[p]);
    from += sizes[p];
  }
}

Numbers shuffled(const Numbers& rows, std::uint64_t seed, std::uint32_t stream) {
  Numbers out = rows;
  Random(seed, Purpose::split, stream).permute(out.data(), static_cast<std::int64_t>(out.size()));
  return out;
}

}  // namespace

std::vector<Index> part_sizes(Index n, const std::vector<double>& fractions) {
  const std::size_t parts = fractions.size();
  std::vector<Index> sizes(parts), order(parts);
  std::vector<double> rest(parts);
  Index left = n;
  for (std::size_t p = 0; p < parts; ++p) {
    const double exact = fractions[p] * static_cast<double>(n);
    sizes[p] = static_cast<Index>(std::floor(exact + 1e-9));
    rest[p] = exact - static_cast<double>(sizes[p]);
    left -= sizes[p];
  }
  std::iota(order.begin(), order.end(), Index{0});
  std::stable_sort(order.begin(), order.end(), [&](Index a, Index b) {
    return rest[static_cast<std::size_t>(a)] > rest[static_cast<std::size_t>(b)];
  });
  for (std::size_t i = 0; i < parts && left > 0; ++i, --left) ++sizes[static_cast<std::size_t>(order[i])];
  if (n < static_cast<Index>(parts)) return sizes;
  for (auto empty = sizes.begin(); (empty = std::find(sizes.begin(), sizes.end(), 0)) != sizes.end(); ++*empty)
    --*std::max_element(sizes.begin(), sizes.end());
  return sizes;
}

bool can_stratify(const std::vector<std::int32_t>& classes, std::size_t parts) {
  std::map<std::int32_t, std::size_t> members;
  for (const std::int32_t c : classes) ++members[c];
  return !members.empty() &&
         std::all_of(members.begin(), members.end(), [&](const auto& own) { return own.second >= parts; });
}

std::vector<Numbers> split_rows(Index rows, const std::vector<double>& fractions, const std::int32_t* classes,
                                bool shuffle, std::uint64_t seed) {
  double sum = 0;
  bool positive = !fractions.empty();
  for (const double f : fractions) {
    sum += f;
    positive = positive && f > 0;
  }
  if (!positive || !(std::abs(sum - 1) <= 1e-6))
    throw std::invalid_argument("fractions must be greater than 0 and sum to 1; got a sum of " + std::to_string(sum));
  if (rows < static_cast<Index>(fractions.size()))
    throw std::invalid_argument("rows must be at least " + std::to_string(fractions.size()) +
                                ", one for each part; got " + std::to_string(rows));
  std::vector<Numbers> parts(fractions.size());
  if (!shuffle || !classes) {
    Numbers all(static_cast<std::size_t>(rows));
    std::iota(all.begin(), all.end(), std::int64_t{0});
    deal(shuffle ? shuffled(all, seed, 0) : all, fractions, parts);
  } else {
    std::map<std::int32_t, Numbers> members;
    for (Index i = 0; i < rows; ++i) members[classes[i]].push_back(i);
    std::uint32_t stream = 0;
    for (const auto& [number, own] : members) {
      if (own.size() < fractions.size()) {
        throw std::invalid_argument("stratify needs at least " + std::to_string(fractions.size()) +
                                    " members of every class, one for each part; class " + std::to_string(number) +
                                    " has " + std::to_string(own.size()) + ": take fewer parts, or do not stratify");
      }
      deal(shuffled(own, seed, stream++), fractions, parts);
    }
  }
  for (Numbers& part : parts) std::sort(part.begin(), part.end());
  return parts;
}

}  // namespace lamina
