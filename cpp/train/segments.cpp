#include "train/segments.hpp"

#include <cmath>
#include <set>
#include <sstream>
#include <stdexcept>

namespace lamina {
namespace {

const char* name_of(Role role) {
  switch (role) {
    case Role::weight:
      return "weight";
    case Role::bias:
      return "bias";
    case Role::gain:
      return "gain";
    case Role::slope:
      return "slope";
  }
  return "";
}

/// A parameter's names, the most specific first.
std::vector<std::string> names_of(const NamedParameter& p) {
  const std::string layer = std::to_string(p.layer);
  return {layer + "." + p.info.name, layer, name_of(p.info.role)};
}

double factor_for(const NamedParameter& p, const FactorsByName& factors, double usual) {
  if (factors.empty()) return usual;
  for (const std::string& name : names_of(p)) {
    if (const auto found = factors.find(name); found != factors.end()) return found->second;
  }
  return usual;
}

/// Throws unless every name fits a parameter and every factor can be one.
void check(const std::vector<NamedParameter>& parameters, const FactorsByName& factors, const std::string& option) {
  if (factors.empty()) return;
  std::set<std::string> known{"weight", "bias", "gain", "slope"};
  for (const NamedParameter& p : parameters) {
    if (p.info.trained) known.merge(std::set<std::string>{names_of(p)[0], names_of(p)[1]});
  }
  for (const auto& [name, factor] : factors) {
    std::ostringstream text;
    if (known.count(name) == 0) {
      text << option
           << " must name trained parameters ('0.weight'), layers that have some (0) or kinds of them ('bias'); "
           << "got '" << name << "', and there are";
      for (const std::string& one : known) text << ' ' << one;
      throw std::invalid_argument(text.str());
    }
    if (std::isfinite(factor) && factor >= 0) continue;
    text << option << " must be finite factors of at least 0; got " << factor << " for '" << name << "'";
    throw std::invalid_argument(text.str());
  }
}

}  // namespace

template <class T>
std::vector<Segment> segments_of(const Network<T>& network, const FactorsByName& rates, const FactorsByName& decays) {
  check(network.named_parameters(), rates, "rates");
  check(network.named_parameters(), decays, "decays");
  std::vector<Segment> out;
  for (const NamedParameter& p : network.named_parameters()) {
    if (!p.info.trained) continue;
    const bool weight = p.info.role == Role::weight;
    const Factors factors{factor_for(p, rates, 1), factor_for(p, decays, weight ? 1 : 0)};
    const Range range = p.info.range();
    const bool goes_on = !out.empty() && out.back().is_weight == weight && out.back().factors == factors;
    if (goes_on) out.back().range.end = range.end;
    else out.push_back({range, weight, factors});
  }
  return out;
}

template <class T> std::vector<char> frozen_layers(const Network<T>& network, const std::vector<Segment>& segments) {
  std::vector<char> frozen;
  for (Index i = 0; i < network.depth(); ++i) {
    const Range own = network.parameter_range(i);
    bool all = own.size() > 0;
    for (const Segment& s : segments) {
      const bool meet = s.range.begin < own.end && own.begin < s.range.end;
      all = all && !(meet && s.factors.rate != 0);
    }
    frozen.push_back(all ? 1 : 0);
  }
  return frozen;
}

template std::vector<char> frozen_layers<float>(const Network<float>&, const std::vector<Segment>&);
template std::vector<char> frozen_layers<double>(const Network<double>&, const std::vector<Segment>&);
template std::vector<Segment> segments_of<float>(const Network<float>&, const FactorsByName&, const FactorsByName&);
template std::vector<Segment> segments_of<double>(const Network<double>&, const FactorsByName&, const FactorsByName&);

}  // namespace lamina
