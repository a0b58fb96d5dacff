#include "math/optimizers.hpp"

namespace lamina {

template <class T>
void optimizer_step(const Optimizer& optimizer, const StepConstants& step, T* w, const T* g, T* const* slot, Index n,
                    T gradient_scale, PenaltyStrength penalty, bool is_weight) {
  constexpr int N = simd::lanes<T>;
  using V = simd::Vec<T, N>;
  std::visit(
      [&](const auto& rule) {
        using O = std::decay_t<decltype(rule)>;
        const optimizer::ConstantLanes<V> constants(step.rule);
        const bool penalised = is_weight && penalty.active();
        const V keep(static_cast<T>(is_weight ? step.keep : 1.0));
        const V scale(gradient_scale), l1(static_cast<T>(penalty.l1)), l2(static_cast<T>(2 * penalty.l2));
        constexpr int slots_kept = O::slots > 0 ? O::slots : 1;
        T* memory[slots_kept];  // a copy: through `slot` the compiler would have to reload the pointers after each
                                // store
        for (int s = 0; s < slots_kept; ++s) memory[s] = O::slots > 0 ? slot[s] : nullptr;
        const auto one = [=, &rule](Index j, auto load, auto store) {
          V wv = load(w + j), gv = scale * load(g + j), slots[slots_kept];
          for (int s = 0; s < O::slots; ++s) slots[s] = load(memory[s] + j);
          if (penalised) {
            const V sign = select(wv > V(0), V(1), select(wv < V(0), V(-1), V(0)));
            gv = fma(l2, wv, fma(l1, sign, gv));
          }
          store(rule.update(keep * wv, gv, slots, constants), w + j);
          for (int s = 0; s < O::slots; ++s) store(slots[s], memory[s] + j);
        };
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

template void optimizer_step<float>(const Optimizer&, const StepConstants&, float*, const float*, float* const*, Index,
                                    float, PenaltyStrength, bool);
template void optimizer_step<double>(const Optimizer&, const StepConstants&, double*, const double*, double* const*,
                                     Index, double, PenaltyStrength, bool);

}  // namespace lamina
