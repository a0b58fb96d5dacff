#include "train/penalty.hpp"

namespace lamina {

template <class T> std::vector<Segment> segments_of(const Network<T>& network) {
  std::vector<Segment> out;
  for (const NamedParameter& p : network.named_parameters()) {
    if (!p.info.trained) continue;
    const bool weight = p.info.role == Role::weight;
    const Range range{p.info.offset, p.info.offset + p.info.size()};
    if (!out.empty() && out.back().is_weight == weight) out.back().range.end = range.end;
    else out.push_back({range, weight});
  }
  return out;
}

template <class T> void add_penalty(const Network<T>& network, PenaltyStrength penalty, Vector<T> gradients) {
  if (!penalty.active()) return;
  const T l1 = static_cast<T>(penalty.l1), l2 = static_cast<T>(2 * penalty.l2);
  const T* w = network.parameters().data();
  for (const Segment& s : segments_of(network)) {
    if (!s.is_weight) continue;
    for (Index i = s.range.begin; i < s.range.end; ++i) {
      gradients[i] += l1 * static_cast<T>((w[i] > T(0)) - (w[i] < T(0))) + l2 * w[i];
    }
  }
}

template std::vector<Segment> segments_of<float>(const Network<float>&);
template std::vector<Segment> segments_of<double>(const Network<double>&);
template void add_penalty<float>(const Network<float>&, PenaltyStrength, Vector<float>);
template void add_penalty<double>(const Network<double>&, PenaltyStrength, Vector<double>);

}  // namespace lamina
