#include "train/full_batch.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "train/lbfgs.hpp"
#include "train/levenberg_marquardt.hpp"

namespace lamina {
namespace {

void refuse(bool wrong, const std::string& solver, const std::string& why) {
  if (wrong) throw std::invalid_argument(solver + why);
}

}  // namespace

template <class T> double loss_unit(const Network<T>& network, const Samples<T>& samples) {
  // What is evaluated at once has targets that follow each other: steps of a sequence, or samples.
  const Index most = samples.each_step ? samples.steps : std::min<Index>(samples.count, 4096);
  const Arena<T> zeros(most * network.outputs());
  Arena<T> row_loss(most);
  double sum = 0;
  for (Index begin = 0, end = 0; begin < samples.count; begin = end) {
    end = samples.each_step ? begin + 1 : std::min(samples.count, begin + most);
    TargetRows<T> targets = samples.slice(begin, end - begin).targets(network.target_scale());
    Index rows = end - begin;
    if (samples.each_step) {
      rows = samples.length(samples.sample(begin));
      targets.index = nullptr;
      targets.first = samples.sample(begin) * samples.steps;
    }
    evaluate_loss<T>(network.loss(), {zeros.data(), rows, network.outputs()}, targets, {row_loss.data(), rows}, T(1),
                     {});
    for (Index i = 0; i < rows; ++i) sum += static_cast<double>(row_loss[i]);
  }
  const double loss = sum / samples.weight_sum();
  return loss > 0 && loss < 1 ? loss : 1;
}

template <class T> void check_full_batch(const Network<T>& network, const FitOptions& o) {
  const std::string name = name_of(*o.solver);
  const bool scheduled = !std::holds_alternative<schedule::Constant>(o.schedule) || o.plateau;
  refuse(scheduled, name, " finds its own steps: schedule must be None");
  refuse(!std::holds_alternative<clipping::None>(o.clipping), name, " finds its own steps: clip must be None");
  const bool decays = !std::holds_alternative<schedule::Constant>(o.decay_schedule);
  refuse(decays || !o.decays.empty(), name, " has no decoupled decay: decays and decay_schedule must be None");
  refuse(!o.rates.empty(), name, " moves all parameters at once: rates must be None");
  refuse(o.average > 0, name, " takes steps worth keeping: average must be 0");
  refuse(o.resume, name, " keeps nothing between fits: resume must be False");
  refuse(o.sam_rho > 0, name, " cannot be the base of SAM, which wants a first-order optimizer");
  refuse(o.penalty.l1 > 0, name, " needs a smooth loss: l1 must be 0; got " + std::to_string(o.penalty.l1));
  for (Index i = 0; i < network.depth(); ++i) {
    refuse(network.layer(i).random(), name,
           " needs the same loss for the same weights, but layer " + std::to_string(i) +
               " is random in training (dropout or rrelu)");
  }
  if (!std::holds_alternative<solver::LevenbergMarquardt>(*o.solver)) return;
  constexpr Index most = LevenbergMarquardtFit<T>::most_parameters;
  const Index n = network.parameters().size();
  refuse(!std::holds_alternative<loss::SquaredError>(network.loss()), name,
         " minimises sums of squares: loss must be squared_error; got " + name_of(network.loss()));
  refuse(network.needs_whole_batch(), name, " takes the samples one by one, which batch norm does not allow");
  refuse(network.members() > 1, name,
         " wants one output for each target, but the network has " + std::to_string(network.members()) + " members");
  refuse(network.recurrent(), name, " takes the samples row by row, which recurrent layers do not allow");
  refuse(n > most, name,
         " keeps a matrix of parameters x parameters: at most " + std::to_string(most) + " parameters; got " +
             std::to_string(n));
}

template <class T>
void fit_full_batch(Network<T>& network, kernels::Team& team, const Samples<T>& train, const Samples<T>& validation,
                    const FitOptions& options, History& history, const FitCourse<T>& course) {
  EpochKeeper<T> keeper(network, validation, options, history, team, course);
  const FitTask<T> task{network, train, options, keeper, history, team};
  if (const auto* spec = std::get_if<solver::LBFGS>(&*options.solver)) LbfgsFit<T>(*spec, task).run();
  else LevenbergMarquardtFit<T>(std::get<solver::LevenbergMarquardt>(*options.solver), task).run();
}

#define LAMINA_INSTANTIATE(T)                                                                        \
  template double loss_unit<T>(const Network<T>&, const Samples<T>&);                                \
  template void check_full_batch<T>(const Network<T>&, const FitOptions&);                           \
  template void fit_full_batch<T>(Network<T>&, kernels::Team&, const Samples<T>&, const Samples<T>&, \
                                  const FitOptions&, History&, const FitCourse<T>&);
LAMINA_INSTANTIATE(float)
LAMINA_INSTANTIATE(double)
#undef LAMINA_INSTANTIATE

}  // namespace lamina
