#include "math/metrics.hpp"

#include <cmath>
#include <stdexcept>
#include <string>

namespace lamina {

void check_metric(const Metric& metric, const Loss& loss) {
  const TargetKind kind = targets_of(loss);
  const bool classes = kind == TargetKind::classes || kind == TargetKind::binary;
  std::visit(
      [&](const auto& m) {
        const std::string start = std::string("metric '") + m.name + "' needs a ";
        if (m.classes != classes) {
          throw std::invalid_argument(start + (m.classes ? "classification" : "regression") + " loss; got " +
                                      name_of(loss));
        }
        const Link link = link_of(loss);
        if (m.probabilities && link != Link::softmax && link != Link::logistic)
          throw std::invalid_argument(start + "loss whose predictions are probabilities; got " + name_of(loss));
      },
      metric);
}

template <class T> void check_metric_of(const Metric& metric, const Scored<T>& scored) {
  std::visit(
      [&](const auto& m) {
        if (m.has(scored)) return;
        throw std::invalid_argument(std::string("metric '") + m.name + "' needs validation " + m.wants +
                                    "; there are none in " + std::to_string(scored.count()) + " samples");
      },
      metric);
}

template <class T> double metric_of(const Metric& metric, const Scored<T>& scored) {
  for (Index i = 0; i < scored.count(); ++i) {
    for (Index j = 0; scored.weight(i) != 0 && j < scored.outputs(); ++j) {
      if (std::isnan(scored.prediction(i, j))) return std::numeric_limits<double>::quiet_NaN();
    }
  }
  constexpr double none = std::numeric_limits<double>::quiet_NaN();
  return std::visit([&](const auto& m) { return m.has(scored) ? m.value(scored) : none; }, metric);
}
template void check_metric_of<float>(const Metric&, const Scored<float>&);
template void check_metric_of<double>(const Metric&, const Scored<double>&);
template double metric_of<float>(const Metric&, const Scored<float>&);
template double metric_of<double>(const Metric&, const Scored<double>&);

}  // namespace lamina
