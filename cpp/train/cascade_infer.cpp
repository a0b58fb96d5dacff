#include "core/poll.hpp"
#include "kernels/threads.hpp"
#include "train/cascade.hpp"
#include "train/cascade_unit.hpp"

namespace lamina {

using namespace cascade;

template <class T>
void infer_cascade(const CascadeShape& shape, const Vector<const T>& parameters, const Matrix<const T>& x,
                   const CascadeInferOptions& options, Matrix<T> out) {
  constexpr Index batch = 256;
  const Index batches = (x.rows() + batch - 1) / batch, units = shape.size(), first_source = 1 + shape.inputs;
  const Activation output = options.link ? shape.output : activation::Identity{};
  const bool large = x.rows() * shape.parameters() > 200000;
  const Index threads = large ? std::min(kernels::choose_threads(options.threads), batches) : 1;
  kernels::with_team(threads, [&](kernels::Team& team) {
    struct Memory {
      Unit<T> unit;
      PatternRows<T> sources;
    };
    std::vector<Memory> memory;
    for (Index i = 0; i < team.size(); ++i) {
      const Index rows = std::min(batch, x.rows());
      memory.push_back({Unit<T>(rows), PatternRows<T>(shape.output_fan_in(), rows)});
    }
    team.run(team.size(), [&](kernels::Worker& me) {
      auto& [unit, sources] = memory[static_cast<std::size_t>(me.id)];
      const Range mine = me.share(batches);
      const auto run = [&](const Activation& f, Index position, Index offset, Index fan_in) {
        unit.become(f, position);
        unit.run(parameters.at({offset, offset + fan_in}), sources.top(fan_in));
      };
      Poll poll(me.id == 0 ? options.poll : nullptr);
      const Index end = std::min(mine.end * batch, x.rows());
      for (Index first = mine.begin * batch; first < end && !me.failed(); first += batch) {
        poll();
        const Range rows{first, std::min(first + batch, x.rows())};
        load_sources<T>(x.at_rows(rows), sources.top(first_source));
        for (Index k = 0; k < units; ++k) {
          run(shape.units[static_cast<std::size_t>(k)], k, shape.unit_offset(k), first_source + k);
          row(sources.top(first_source + k + 1), first_source + k) = unit.v();
        }
        for (Index o = 0; o < shape.outputs; ++o) {
          run(output, 0, shape.unit_offset(units) + o * shape.output_fan_in(), shape.output_fan_in());
          out.at_rows(rows).col(o) = unit.v().at({0, rows.size()}).transpose();
        }
      }
    });
  });
}

template <class T>
double cascade_correlation(const Activation& f, const CascadeSet<T>& errors, const Vector<const T>& w,
                           Vector<T> gradient) {
  const Index patterns = errors.x.rows(), outputs = errors.t.cols();
  PatternRows<T> memory(w.size(), patterns);
  const Matrix<T> sources = memory.top(w.size());
  load_sources<T>(errors.x, sources);
  Residuals<T> residuals(outputs, patterns, errors.weights);
  residuals.errors().at_columns({0, patterns}) = errors.t.transpose();
  residuals.centre();
  Unit<T> unit(patterns, outputs);
  unit.become(f, 0);
  unit.run(w, sources);
  const double score = unit.correlate(residuals);
  gradient = unit.differentiate(residuals, sources).template cast<T>();
  return score * residuals.squares();
}

#define LAMINA_INSTANTIATE(T)                                                                         \
  template void infer_cascade<T>(const CascadeShape&, const Vector<const T>&, const Matrix<const T>&, \
                                 const CascadeInferOptions&, Matrix<T>);                              \
  template double cascade_correlation<T>(const Activation&, const CascadeSet<T>&, const Vector<const T>&, Vector<T>);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)
#undef LAMINA_INSTANTIATE

}  // namespace lamina
