#include "model/targets.hpp"

#include <algorithm>
#include <cmath>
#include <sstream>
#include <stdexcept>

namespace lamina {
namespace {

template <class... Parts> [[noreturn]] void refuse(const Parts&... parts) {
  std::ostringstream text;
  (text << ... << parts);
  throw std::invalid_argument(text.str());
}

template <class T> Index target_rows(const Samples<T>& s) { return s.each_step ? s.x.rows() : s.x.rows() / s.steps; }

/// Whether the i-th row of targets belongs to a step that counts.
template <class T> bool counts(const Samples<T>& s, Index i) {
  return !s.each_step || !s.lengths || i % s.steps < s.length(i / s.steps);
}

}  // namespace

template <class T>
void check_targets(const Loss& loss, const Samples<T>& samples, Index outputs, const std::string& name) {
  const TargetDomain& domain = target_domain(loss);
  const Index rows = target_rows(samples);
  if (samples.y.labels) {
    if (domain.kind != TargetKind::classes) refuse(name, " must hold values for ", name_of(loss), "; got labels");
    for (Index i = 0; i < rows; ++i) {
      const std::int32_t label = samples.y.labels[i];
      if (counts(samples, i) && (label < 0 || label >= outputs))
        refuse(name, " must hold labels in 0 .. ", outputs - 1, ", one for each output; got ", label);
    }
    return;
  }
  double low = TargetDomain::infinity, high = -TargetDomain::infinity, sum_furthest_off = 1;
  bool whole = true;
  for (Index i = 0; i < rows; ++i) {
    if (!counts(samples, i)) continue;
    double sum = 0;
    for (Index j = 0; j < outputs; ++j) {
      const auto v = static_cast<double>(samples.y.values(i, j));
      if (!std::isfinite(v))
        refuse(name, " must be finite; got ", std::isnan(v) ? "NaN" : "infinity", " in row ", i, ", column ", j);
      low = std::min(low, v);
      high = std::max(high, v);
      whole = whole && v == std::floor(v);
      sum += v;
    }
    if (std::abs(sum - 1) > std::abs(sum_furthest_off - 1)) sum_furthest_off = sum;
  }
  if (domain.kind == TargetKind::classes && (low < domain.low || std::abs(sum_furthest_off - 1) > 1e-3))
    refuse(name, " must ", domain.text, " for ", name_of(loss), "; got a row that sums to ", sum_furthest_off,
           ", with entries from ", low);
  if (low < domain.low || high > domain.high || (domain.whole && !whole))
    refuse(name, " must ", domain.text, " for ", name_of(loss), "; got values from ", low, " to ", high);
}

void labels_of(const Vector<const double>& numbers, Index classes, const std::string& name, std::int32_t* to) {
  for (Index i = 0; i < numbers.size(); ++i) {
    const double label = numbers[i];
    if (!(label >= 0 && label < static_cast<double>(classes) && label == std::floor(label)))
      refuse(name, " must hold labels in 0 .. ", classes - 1, ", one for each output; got ", label);
    to[i] = static_cast<std::int32_t>(label);
  }
}

template <class T> void one_hot(const std::int32_t* labels, Matrix<T> to) {
  for (Index i = 0; i < to.rows(); ++i) {
    for (Index j = 0; j < to.cols(); ++j) to(i, j) = labels[i] == (to.cols() == 1 ? 1 : j) ? T(1) : T(0);
  }
}

template <class T> std::vector<std::int32_t> classes_of(const Loss& loss, const Samples<T>& samples, Index outputs) {
  const TargetDomain& domain = target_domain(loss);
  const Targets<T>& y = samples.y;
  const Index rows = target_rows(samples);
  if (domain.kind != TargetKind::classes && domain.kind != TargetKind::binary) return {};
  if (y.labels) return {y.labels, y.labels + rows};
  std::vector<std::int32_t> classes(static_cast<std::size_t>(rows));
  const T border = static_cast<T>(domain.border);
  for (Index i = 0; i < rows; ++i) {
    const T *row = y.values.row_data(i), *end = row + outputs;
    const auto above = std::count_if(row, end, [&](T v) { return v > border; });
    const bool single = domain.kind == TargetKind::binary && outputs == 1;
    // Several columns are classes where each row has one of them, else labels that may go together.
    if (domain.kind == TargetKind::binary && !single && above != 1 && counts(samples, i)) return {};
    classes[static_cast<std::size_t>(i)] =
        single ? static_cast<std::int32_t>(above) : static_cast<std::int32_t>(std::max_element(row, end) - row);
  }
  return classes;
}

template <class T> void need_two_classes(const Loss& loss, const Samples<T>& samples, Index outputs) {
  if (targets_of(loss) != TargetKind::classes || target_rows(samples) < 2) return;
  const std::vector<std::int32_t> classes = classes_of(loss, samples, outputs);
  std::int32_t first = -1;
  for (Index i = 0; i < static_cast<Index>(classes.size()); ++i) {
    if (!counts(samples, i)) continue;
    const std::int32_t own = classes[static_cast<std::size_t>(i)];
    if (first >= 0 && own != first) return;
    first = own;
  }
  refuse("y must hold at least 2 classes; got only class ", first);
}

#define LAMINA_INSTANTIATE(T)                                                                      \
  template void check_targets<T>(const Loss&, const Samples<T>&, Index, const std::string&);       \
  template void one_hot<T>(const std::int32_t*, Matrix<T>);                                        \
  template std::vector<std::int32_t> classes_of<T>(const Loss&, const Samples<T>&, Index outputs); \
  template void need_two_classes<T>(const Loss&, const Samples<T>&, Index);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)
#undef LAMINA_INSTANTIATE

}  // namespace lamina
