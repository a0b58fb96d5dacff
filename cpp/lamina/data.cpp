#include "lamina/data.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <sstream>
#include <stdexcept>
#include <type_traits>

#include "kernels/reduce.hpp"
#include "model/targets.hpp"

namespace lamina::api {
namespace {

template <class... Parts> [[noreturn]] void refuse(const Parts&... parts) {
  std::ostringstream text;
  (text << ... << parts);
  throw std::invalid_argument(text.str());
}

template <class T> lamina::Matrix<const T> map_of(const detail::View<T>& m) {
  return {m.data, m.rows, m.columns, m.stride};
}

}  // namespace

template <class T>
CheckedData<T>::CheckedData(const lamina::Network<T>& network, const detail::View<T>& x, const Sequences& sequences,
                            const std::string& which)
    : which_(which) {
  take_inputs(network, x, sequences);
}

template <class T>
CheckedData<T>::CheckedData(const lamina::Network<T>& network, const detail::Data<T>& data,
                            const std::vector<double>& weights, const Sequences& sequences, const std::string& which)
    : CheckedData(network, data.x, sequences, which) {
  if (data.labels) take_labels(*data.labels, network.loss(), network.outputs());
  else take_values(data.values, network.loss(), network.outputs());
  take_weights(weights);
}

template <class T>
void CheckedData<T>::take_inputs(const lamina::Network<T>& network, const detail::View<T>& x,
                                 const Sequences& sequences) {
  Samples<T>& s = samples_;
  if (x.columns != network.inputs())
    refuse(which_, "X must have ", network.inputs(), " columns, as the network has inputs; got ", x.columns);
  if (x.rows < 1) refuse(which_, "X must have at least one row; got none");
  s.steps = network.recurrent() ? sequences.steps : 1;
  if (network.recurrent() && (s.steps < 1 || x.rows % s.steps != 0))
    refuse(which_, "sequences.steps must divide the rows of X, ", x.rows, ", as the network is recurrent; got ",
           s.steps);
  if (!network.recurrent() && (sequences.steps != 0 || !sequences.lengths.empty()))
    refuse(which_, "sequences needs a network with a Recurrent layer; this one has none");
  s.each_step = network.each_step();
  s.x = map_of(x);
  s.count = x.rows / s.steps;
  if (!sequences.lengths.empty()) {
    if (static_cast<Index>(sequences.lengths.size()) != s.count)
      refuse(which_, "lengths must have one entry for each of the ", s.count, " samples of X; got ",
             sequences.lengths.size());
    for (const int length : sequences.lengths) {
      if (length < 1 || length > s.steps) refuse(which_, "lengths must lie in 1 .. ", s.steps, "; got ", length);
    }
    s.lengths = sequences.lengths.data();
  }
  for (Index i = 0; i < s.count; ++i) {  // beyond a sequence's end anything may be
    for (Index row = i * s.steps; row < i * s.steps + s.length(i); ++row) {
      const Index at = kernels::first_nonfinite(s.x.row_data(row), x.columns);
      if (at >= 0)
        refuse(which_, "X must be finite; got ", std::isnan(s.x(row, at)) ? "NaN" : "infinity", " in row ", row,
               ", column ", at);
    }
  }
}

template <class T> void CheckedData<T>::take_labels(const Labels& labels, const Loss& loss, Index outputs) {
  static_assert(std::is_same_v<int, std::int32_t>);
  const bool as_values = targets_of(loss) == TargetKind::binary;
  if (static_cast<Index>(labels.size()) != target_rows())
    refuse(which_, "y must have one label for each of the ", target_rows(), " samples of X; got ", labels.size());
  samples_.y.labels = labels.data();
  // A binary loss takes values, of labels that are in range: those of a loss by classes.
  check_targets(as_values ? Loss(loss::CrossEntropy{}) : loss, samples_,
                as_values ? std::max<Index>(2, outputs) : outputs, which_ + "y");
  if (!as_values) return;
  values_.resize(static_cast<std::size_t>(target_rows() * outputs));
  samples_.y.labels = nullptr;
  samples_.y.values.view({values_.data(), target_rows(), outputs});
  one_hot<T>(labels.data(), {values_.data(), target_rows(), outputs});
}

template <class T> void CheckedData<T>::take_values(const detail::View<T>& values, const Loss& loss, Index outputs) {
  if (values.rows != target_rows() || values.columns != outputs)
    refuse(which_, "y must be (", target_rows(), ", ", outputs, "), samples and outputs; got (", values.rows, ", ",
           values.columns, ")");
  samples_.y.values.view(map_of(values));
  check_targets(loss, samples_, outputs, which_ + "y");
}

template <class T> void CheckedData<T>::take_weights(const std::vector<double>& weights) {
  if (weights.empty()) return;
  if (static_cast<Index>(weights.size()) != target_rows())
    refuse(which_, "sample_weight must have one entry for each of the ", target_rows(), " samples; got ",
           weights.size());
  bool any = false;
  for (const double w : weights) {
    if (!std::isfinite(w) || w < 0) refuse(which_, "sample_weight must be finite and not negative; got ", w);
    weights_.push_back(static_cast<T>(w));
    if (!std::isfinite(weights_.back()))
      refuse(which_, "sample_weight must be within the range of the network's type, up to ",
             std::numeric_limits<T>::max(), "; got ", w, " for sample ", weights_.size() - 1);
    any = any || weights_.back() > 0;
  }
  if (!any) refuse(which_, "sample_weight must not be all zero");
  samples_.weights = Vector<const T>(weights_.data(), static_cast<Index>(weights_.size()));
}

template class CheckedData<float>;
template class CheckedData<double>;

}  // namespace lamina::api
