#include "train/gradient_check.hpp"

#include <cmath>

#include "core/poll.hpp"

namespace lamina {

template <class T>
void central_differences(Network<T>& network, const Samples<T>& samples, const GradientOptions& options, T h,
                         Vector<T> gradients) {
  check_fields(options);
  if (options.training) network.check_batch(samples.count);
  const double weight = samples.weight_sum();
  kernels::with_team(1, [&](kernels::Team& team) {
    TrainingPass<T> passes(network, samples.count, 1);
    Pass<T> pass;
    pass.training = options.training;
    pass.seed = network.architecture().seed;
    Arena<T> unused(network.parameters().size());
    Poll poll(options.poll);
    const auto loss = [&] {
      poll();
      team.run(1, [&](kernels::Worker& w) {
        passes.run(w, pass, samples, static_cast<T>(1 / weight), unused.vector(), kernels::Store::set);
      });
      pass.replay = true;  // truncated back-propagation takes the states at its cuts for constants
      return passes.loss_sum() / weight + network.penalty(options.penalty.l1, options.penalty.l2);
    };
    loss();
    for (Index i = 0; i < network.parameters().size(); ++i) {
      T& w = network.parameters()[i];
      const T kept = w;
      const T step = h * std::max(T(1), std::abs(kept));
      const auto at = [&](T multiple) {
        w = kept + multiple * step;
        try {
          return loss();
        } catch (...) {
          w = kept;
          throw;
        }
      };
      const double near = at(1) - at(-1), far = at(2) - at(-2);
      gradients[i] = static_cast<T>((8 * near - far) / (12 * static_cast<double>(step)));
      w = kept;
    }
  });
}

template void central_differences<float>(Network<float>&, const Samples<float>&, const GradientOptions&, float,
                                         Vector<float>);
template void central_differences<double>(Network<double>&, const Samples<double>&, const GradientOptions&, double,
                                          Vector<double>);

}  // namespace lamina
