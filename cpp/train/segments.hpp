/// Which parameters a step treats alike, and how: what a penalty is on, whose rate or decay is another.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "math/optimizers.hpp"
#include "model/network.hpp"

namespace lamina {

/// Factors by what they are for: a parameter ("0.weight"), a layer ("0") or a kind of parameter ("weight", "bias",
/// "gain", "slope"). Of several that fit a parameter the first of these counts.
using FactorsByName = std::map<std::string, double>;

/// A run of parameters that a step treats alike.
struct Segment {
  Range range;
  bool is_weight;
  Factors factors;
};

/// All trained parameters in runs. Weights decay, all else does not, unless `decays` says so. Throws
/// std::invalid_argument, which names the option, for a name that fits nothing and for a factor that is negative or not
/// finite.
template <class T>
std::vector<Segment> segments_of(const Network<T>& network, const FactorsByName& rates = {},
                                 const FactorsByName& decays = {});

/// By layer: whether it has parameters, and a step leaves all of them alone.
template <class T> std::vector<char> frozen_layers(const Network<T>& network, const std::vector<Segment>& segments);

}  // namespace lamina
