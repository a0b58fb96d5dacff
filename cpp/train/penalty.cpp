#include "train/penalty.hpp"

namespace lamina {

template <class T> void add_penalty(const Network<T>& network, PenaltyStrength penalty, Vector<T> gradients) {
  if (!penalty.active()) return;
  const T l1 = static_cast<T>(penalty.l1), l2 = static_cast<T>(penalty.l2);
  for (const NamedParameter& p : network.named_parameters()) {
    if (!p.info.trained || p.info.role != Role::weight) continue;
    const Vector<const T> w = network.parameters().vector().at(p.info.range());
    Vector<T> g = gradients.at(p.info.range());
    g += l1 * w.sign() + 2 * l2 * w;
  }
}

template void add_penalty<float>(const Network<float>&, PenaltyStrength, Vector<float>);
template void add_penalty<double>(const Network<double>&, PenaltyStrength, Vector<double>);

}  // namespace lamina
