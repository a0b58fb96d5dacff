#include <cmath>

#include "kernels/threads.hpp"
#include "train/cascade.hpp"
#include "train/cascade_unit.hpp"

namespace lamina {

using namespace cascade;
using kernels::Team;
using kernels::Worker;

template <class T>
void infer_cascade(const CascadeShape& shape, const T* parameters, Rows<T> x, bool link, Index threads, T* out) {
  constexpr Index batch = 256;
  const Index batches = (x.rows + batch - 1) / batch, fan = shape.output_fan_in();
  threads = x.rows * shape.parameters() > 200000 ? std::min(kernels::choose_threads(threads), batches) : 1;
  kernels::with_team(threads, [&](Team& team) {
    std::vector<UnitScratch<T>> scratch;
    std::vector<Columns<T>> columns;
    for (Index i = 0; i < team.size(); ++i) {
      scratch.emplace_back(std::min(batch, x.rows));
      columns.emplace_back(std::min(batch, x.rows), fan);
    }
    team.run(team.size(), [&](Worker& me) {
      UnitScratch<T>& s = scratch[static_cast<std::size_t>(me.id)];
      Columns<T>& c = columns[static_cast<std::size_t>(me.id)];
      const Range mine = me.share(batches);
      for (Index first = mine.begin * batch; first < std::min(mine.end * batch, x.rows); first += batch) {
        const Index rows = std::min(batch, x.rows - first);
        load_columns<T>({x.row(first), rows, x.columns}, c);
        for (Index k = 0; k < shape.size(); ++k) {
          const Activation& f = shape.units[static_cast<std::size_t>(k)];
          set_slopes(f, k, s.slopes);
          run_unit(f, c, parameters + shape.unit_offset(k), 1 + shape.inputs + k, s);
          std::copy_n(s.v.data(), rows, c.column(1 + shape.inputs + k));
        }
        for (Index o = 0; o < shape.outputs; ++o) {
          const T* w = parameters + shape.unit_offset(shape.size()) + o * fan;
          run_unit(link ? shape.output : Activation(activation::Identity{}), c, w, fan, s);
          for (Index p = 0; p < rows; ++p) out[(first + p) * shape.outputs + o] = s.v[p];
        }
      }
    });
  });
}

template <class T>
double cascade_correlation(const Activation& f, Rows<T> x, const T* w, const T* error, Index outputs, T* gradient) {
  const Index count = 1 + x.columns;
  Columns<T> columns(x.rows, count), errors(x.rows, outputs);
  UnitScratch<T> s(x.rows);
  load_columns(x, columns);
  for (Index p = 0; p < x.rows * outputs; ++p) errors.column(p % outputs)[p / outputs] = error[p];
  centre(errors, outputs);
  set_slopes(f, 0, s.slopes);
  run_unit(f, columns, w, count, s);
  std::vector<double> covariance(static_cast<std::size_t>(outputs)), slope(static_cast<std::size_t>(count));
  std::vector<T> sigma(static_cast<std::size_t>(outputs));
  covariances(errors, outputs, s, covariance.data());
  const Spread v = spread(columns, s);
  double score = 0;
  for (std::size_t k = 0; k < sigma.size(); ++k) {
    score += std::abs(covariance[k]);
    sigma[k] = sign_of<T>(covariance[k]);
  }
  score /= v.deviation;
  correlation_gradient(f, columns, count, errors, sigma.data(), outputs, v, score, s, slope.data());
  for (Index i = 0; i < count; ++i) gradient[i] = static_cast<T>(slope[static_cast<std::size_t>(i)]);
  return score;
}

#define LAMINA_INSTANTIATE(T)                                                              \
  template void infer_cascade<T>(const CascadeShape&, const T*, Rows<T>, bool, Index, T*); \
  template double cascade_correlation<T>(const Activation&, Rows<T>, const T*, const T*, Index, T*);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)
#undef LAMINA_INSTANTIATE

}  // namespace lamina
