#include "math/trace.hpp"

#include <stdexcept>
#include <type_traits>

#include "kernels/trace.hpp"
#include "math/activate.hpp"
#include "math/losses.hpp"
#include "math/normalized.hpp"
#include "math/target_scale.hpp"

namespace lamina {
namespace {

using simd::Vec;

/// f(Vec<T, 0>()) for the type of the options, whose results become the expression.
template <class F> Expression traced(const TraceOptions& options, const F& f) {
  const simd::Trace trace(options.open);
  const std::vector<int> results = options.type == NodeType::float32 ? f(Vec<float, 0>()) : f(Vec<double, 0>());
  return trace.expression(results);
}

template <class V> std::vector<V> inputs(std::size_t count) {
  std::vector<V> out;
  for (std::size_t i = 0; i < count; ++i) out.push_back(V::input());
  return out;
}

/// f(name, names of the inputs, formula) for every formula; a formula makes of vectors the results.
template <class F> void for_each_formula(const F& f) {
  const auto of_one = [&](const char* name, auto formula) {
    f(name, std::vector<const char*>{"x"}, [=](const auto& in) { return std::vector<int>{formula(in[0]).node}; });
  };
  of_one("exp", [](auto x) { return exp(x); });
  of_one("expm1", [](auto x) { return expm1(x); });
  of_one("log", [](auto x) { return log(x); });
  of_one("log1p", [](auto x) { return log1p(x); });
  of_one("tanh", [](auto x) { return tanh(x); });
  of_one("logistic", [](auto x) { return logistic(x); });
  of_one("atan", [](auto x) { return atan(x); });
  of_one("gaussian", [](auto x) { return gaussian(x); });
  of_one("erfc", [](auto x) { return erfc(x); });
  of_one("normal_cdf", [](auto x) { return normal_cdf(x); });
  of_one("normal_pdf", [](auto x) { return normal_pdf(x); });
  of_one("sin", [](auto x) { return sin(x); });
  of_one("cos", [](auto x) { return cos(x); });
  of_one("link_logistic", [](auto y) { return inverse_link(Link::logistic, y); });
  of_one("link_exponential", [](auto y) { return inverse_link(Link::exponential, y); });
  f("sin_cos_of_turns", std::vector<const char*>{"x"}, [](const auto& in) {
    const auto [sine, cosine] = sin_cos_of_turns(in[0]);
    return std::vector<int>{sine.node, cosine.node};
  });
  f("normalized", std::vector<const char*>{"x", "mean", "scale"},
    [](const auto& in) { return std::vector<int>{normalized(in[0], in[1], in[2]).node}; });
  f("smoothly_clipped", std::vector<const char*>{"u", "limit"},
    [](const auto& in) { return std::vector<int>{smoothly_clipped(in[0], in[1]).node}; });
  f("predicted_target", std::vector<const char*>{"z", "mean", "deviation", "low", "high"},
    [](const auto& in) { return std::vector<int>{predicted_target(in[0], in[1], in[2], in[3], in[4]).node}; });
}

}  // namespace

Expression expression_of(const Activation& f, bool parametric, const TraceOptions& options) {
  return std::visit(
      [&](const auto& a) {
        using A = std::decay_t<decltype(a)>;
        if constexpr (!A::listed) {
          throw std::invalid_argument("activation '" + name_of(f) +
                                      "' is made from functions of your own: it has none "
                                      "of the library's formulas");
          return Expression();
        } else {
          constexpr bool sloped = A::slope != Slope::none;
          if (parametric && sloped)
            throw std::invalid_argument("parametric goes with activations that have no slope of their own; got '" +
                                        name_of(f) + "'");
          return traced(options, [&](auto type) {
            using V = decltype(type);
            const V x = V::input(), slope = sloped || parametric ? V::input() : V();
            if constexpr (!sloped) {
              if (parametric) return std::vector<int>{unit_value<true>(a, x, slope).node};
            }
            return std::vector<int>{unit_value<false>(a, x, slope).node};
          });
        }
      },
      f);
}

std::vector<NamedFormula> formulas() {
  std::vector<NamedFormula> out;
  for_each_formula(
      [&](const char* name, const std::vector<const char*>& names, const auto&) { out.push_back({name, names}); });
  return out;
}

Expression expression_of(const std::string& formula, const TraceOptions& options) {
  Expression out;
  bool found = false;
  std::string known;
  for_each_formula([&](const char* name, const std::vector<const char*>& names, const auto& make) {
    known += (known.empty() ? "" : ", ") + std::string(name);
    if (formula != name) return;
    found = true;
    out = traced(options, [&](auto type) { return make(inputs<decltype(type)>(names.size())); });
  });
  if (found) return out;
  throw std::invalid_argument("there is no formula called '" + formula + "'; there are " + known);
}

}  // namespace lamina
