#include "kernels/reduce.hpp"

#include <cmath>

namespace lamina::kernels {

template <class T> Index first_nonfinite(const T* x, Index n) {
  for (Index begin = 0; begin < n; begin += reduce_block) {
    const Index end = std::min(n, begin + reduce_block);
    // 0 times a finite number is 0; NaN and infinity give NaN, which stays.
    if (ordered_sum(x + begin, end - begin, [](auto v) { return v * decltype(v)(T(0)); }) == 0) continue;
    for (Index i = begin; i < end; ++i) {
      if (!std::isfinite(x[i])) return i;
    }
  }
  return -1;
}

template Index first_nonfinite<float>(const float*, Index);
template Index first_nonfinite<double>(const double*, Index);

}  // namespace lamina::kernels
