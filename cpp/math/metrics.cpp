#include "math/metrics.hpp"

#include <stdexcept>

namespace lamina {

void check_metric(const Metric& metric, const Loss& loss) {
  const TargetKind kind = targets_of(loss);
  const bool classes = kind == TargetKind::classes || kind == TargetKind::binary;
  std::visit(
      [&](const auto& m) {
        if (m.classes == classes) return;
        throw std::invalid_argument(std::string("metric '") + m.name + "' needs a " +
                                    (m.classes ? "classification" : "regression") + " loss; got " + name_of(loss));
      },
      metric);
}

template <class T> double metric_of(const Metric& metric, const Scored<T>& scored) {
  return std::visit([&](const auto& m) { return m.value(scored); }, metric);
}
template double metric_of<float>(const Metric&, const Scored<float>&);
template double metric_of<double>(const Metric&, const Scored<double>&);

}  // namespace lamina
