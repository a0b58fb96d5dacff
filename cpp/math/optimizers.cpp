#include "math/optimizers.hpp"

#include <cstring>

namespace lamina {
namespace {

/// Constants of a step, which are a struct of doubles, as lanes.
template <class V, template <class> class Constants, std::size_t... I>
LAMINA_INLINE Constants<V> lanes_of(const Constants<double>& constants, std::index_sequence<I...>) {
  double value[sizeof...(I)];
  std::memcpy(value, &constants, sizeof(value));
  return {V(static_cast<typename V::Scalar>(value[I]))...};
}
template <class V, template <class> class Constants>
LAMINA_INLINE Constants<V> lanes_of(const Constants<double>& constants) {
  constexpr std::size_t count = sizeof(constants) / sizeof(double);
  static_assert(std::is_standard_layout_v<Constants<double>> && sizeof(constants) == count * sizeof(double));
  return lanes_of<V>(constants, std::make_index_sequence<count>{});
}

}  // namespace

RunningOptimizer running(const Optimizer& rule, const RunningOptimizer* before) {
  return std::visit(
      [&](const auto& r) -> RunningOptimizer {
        Running<std::decay_t<decltype(r)>> out{r};
        if (before) out.state = std::get<decltype(out)>(*before).state;
        return out;
      },
      rule);
}

template <class T>
void optimizer_step(const RunningOptimizer& optimizer, const ParameterPiece<T>& piece, T gradient_scale,
                    PenaltyStrength penalty) {
  constexpr int N = simd::lanes<T>;
  using V = simd::Vec<T, N>;
  std::visit(
      [&](const auto& running) {
        using Rule = std::decay_t<decltype(running.rule)>;
        constexpr int slots = Rule::slots;
        const auto k = lanes_of<V>(running.constants_at(piece.factors.rate));
        const bool penalised = piece.is_weight && penalty.active();
        const V keep(static_cast<T>(running.keep(piece.factors)));
        const V scale(gradient_scale), l1(static_cast<T>(penalty.l1)), l2(static_cast<T>(2 * penalty.l2));
        T* const w = piece.w;
        const T* const g = piece.gradient;
        T* memory[slots];  // a copy: through `piece` the compiler would have to reload the pointers after each store
        for (int s = 0; s < slots; ++s) memory[s] = piece.slots[s];
        const auto one = [=](Index j, auto load, auto store) {
          V wv = load(w + j), gv = scale * load(g + j), slot[slots];
          for (int s = 0; s < slots; ++s) slot[s] = load(memory[s] + j);
          if (penalised) {
            const V sign = select(wv > V(0), V(1), select(wv < V(0), V(-1), V(0)));
            gv = fma(l2, wv, fma(l1, sign, gv));
          }
          store(Rule::update(keep * wv, gv, slot, k), w + j);
          for (int s = 0; s < slots; ++s) store(slot[s], memory[s] + j);
        };
        const Index n = piece.size;
        Index j = 0;
        for (; j + N <= n; j += N) {
          one(j, [](const T* p) { return V::load(p); }, [](V v, T* p) { v.store(p); });
        }
        if (const Index rest = n - j; rest > 0) {
          one(
              j, [rest](const T* p) { return V::load_partial(p, rest); },
              [rest](V v, T* p) { v.store_partial(p, rest); });
        }
      },
      optimizer);
}

template void optimizer_step<float>(const RunningOptimizer&, const ParameterPiece<float>&, float, PenaltyStrength);
template void optimizer_step<double>(const RunningOptimizer&, const ParameterPiece<double>&, double, PenaltyStrength);

}  // namespace lamina
