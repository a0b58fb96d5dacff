/// Setting rows aside: random, stratified or in order.
#pragma once

#include <cstdint>
#include <vector>

#include "core/types.hpp"

namespace lamina {

/// Whole sizes that add up to n, nearest to the fractions (largest remainders), none of them 0 if n allows.
std::vector<Index> part_sizes(Index n, const std::vector<double>& fractions);

/// Whether every class has a member for each of `parts` parts.
bool can_stratify(const std::vector<std::int32_t>& classes, std::size_t parts);

/// The row numbers of each part, ascending: the parts that `fractions`, which sum to 1, cut from a random order of the
/// rows, or from their own. With `classes`, the class number of every row from 0 on (null: none), each part has its
/// share of every class. Throws std::invalid_argument for other fractions, fewer rows than
/// parts, and where a class has fewer members than there are parts.
std::vector<std::vector<std::int64_t>> split_rows(Index rows, const std::vector<double>& fractions,
                                                  const std::int32_t* classes, bool shuffle, std::uint64_t seed);

}  // namespace lamina
