/// A caller's samples, checked, as the core takes them.
#pragma once

#include <string>
#include <vector>

#include "lamina/inside.hpp"
#include "model/samples.hpp"

namespace lamina::api {

/// Samples of the core: the caller's memory, but for what has to be converted.
template <class T> class CheckedData {
 public:
  /// Throws std::invalid_argument that names what is wrong: X, y, sample_weight or lengths, with `which` before it.
  CheckedData(const lamina::Network<T>& network, const detail::View<T>& x, const Sequences& sequences,
              const std::string& which = "");
  CheckedData(const lamina::Network<T>& network, const detail::Data<T>& data, const std::vector<double>& weights,
              const Sequences& sequences, const std::string& which = "");
  CheckedData(const CheckedData&) = delete;
  CheckedData& operator=(const CheckedData&) = delete;

  const Samples<T>& samples() const { return samples_; }

 private:
  void take_inputs(const lamina::Network<T>& network, const detail::View<T>& x, const Sequences& sequences);
  void take_labels(const Labels& labels, const Loss& loss, Index outputs);
  void take_values(const detail::View<T>& values, const Loss& loss, Index outputs);
  void take_weights(const std::vector<double>& weights);
  /// Rows of the samples' targets.
  Index target_rows() const { return samples_.each_step ? samples_.x.rows() : samples_.count; }

  std::string which_;
  std::vector<T> values_, weights_;
  Samples<T> samples_;
};

}  // namespace lamina::api
