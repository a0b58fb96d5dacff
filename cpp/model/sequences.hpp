/// How the time steps of a chunk of sequences lie in the tapes: compact, without padding, so that every row counts.
#pragma once

#include <cstdint>
#include <vector>

#include "core/index.hpp"

namespace lamina {

/// Sequences are taken longest first, in blocks of a fixed number of samples. The rows of a block follow each other,
/// and within it the steps: step t has a row for each sample that lasts beyond t, which are the block's first. A thread
/// that owns whole blocks owns a run of rows, whatever the number of threads.
class Sequences {
 public:
  /// Samples a block; as many rows has the product of a step.
  static constexpr Index block_samples = 16;

  /// Lays out `count` sequences of up to `steps` steps: sample i of the chunk is number `index[i]` of the data (null:
  /// first + i) and lasts `lengths[number]` steps (null: all).
  void arrange(const std::int64_t* index, Index first, Index count, const std::int32_t* lengths, Index steps);

  Index samples() const { return static_cast<Index>(order_.size()); }
  Index rows() const { return static_cast<Index>(flat_.size()); }
  Index blocks() const { return (samples() + block_samples - 1) / block_samples; }
  /// Number in the data of every sample, longest first.
  const std::int64_t* order() const { return order_.data(); }
  /// Place in the chunk of the i-th of them.
  Index place(Index i) const { return place_[static_cast<std::size_t>(i)]; }
  /// For every row: number in the data of its sample, times steps, plus its step.
  const std::int64_t* flat() const { return flat_.data(); }

  /// Steps of the longest sequence of block b.
  Index steps(Index b) const { return start(b + 1) - start(b) - 2; }
  /// The rows of step t <= steps(b) of block b, one for each sequence that lasts beyond t.
  Range rows_at(Index b, Index t) const { return {row(b, t), row(b, t + 1)}; }
  /// f(i, t, row of its step t) for every sample i, in this order of samples, and each of its steps.
  template <class F> void for_each_row(F&& f) const {
    for (Index b = 0; b < blocks(); ++b) {
      for (Index t = 0; t < steps(b); ++t) {
        const Range rows = rows_at(b, t);
        for (Index i = 0; i < rows.size(); ++i) f(b * block_samples + i, t, rows.begin + i);
      }
    }
  }
  /// The rows of samples that begin and end with whole blocks (or with the last sample).
  Range rows_of(Range samples) const;
  /// The blocks whose rows lie in `rows`.
  Range blocks_of(Range rows) const;
  /// f(i, row of its last step) for every sample i, in this order of samples, of the blocks.
  template <class F> void for_each_last(Range blocks, F&& f) const {
    for (Index b = blocks.begin; b < blocks.end; ++b) {
      for (Index t = 0; t < steps(b); ++t) {
        const Range rows = rows_at(b, t);
        for (Index i = rows_at(b, t + 1).size(); i < rows.size(); ++i) f(b * block_samples + i, rows.begin + i);
      }
    }
  }

 private:
  /// The first row of step t of block b; the block's end for the two steps behind its last.
  Index row(Index b, Index t) const { return row_[static_cast<std::size_t>(start(b) + t)]; }
  Index start(Index b) const { return start_[static_cast<std::size_t>(b)]; }

  std::vector<std::int64_t> order_, flat_;
  std::vector<Index> place_;
  std::vector<Index> start_;  // of each block in row_
  std::vector<Index> row_;    // by block and step
};

}  // namespace lamina
