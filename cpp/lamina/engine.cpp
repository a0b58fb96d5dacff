/// The public face on the core: what `lamina.hpp` promises, in the core's terms.
#include <algorithm>
#include <cmath>
#include <limits>
#include <new>
#include <stdexcept>
#include <utility>

#include "lamina/data.hpp"
#include "lamina/model_file.hpp"
#include "lamina/spec.hpp"
#include "model/sequence_infer.hpp"
#include "model/targets.hpp"
#include "train/split.hpp"
#include "train/trainer.hpp"

namespace lamina::api {
namespace {

Architecture architecture_of(const std::vector<Spec>& layers, Index inputs, const Spec& loss, std::uint64_t seed) {
  Architecture a;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    try {
      a.layers.push_back(entry_of<LayerSpec>(layers[i]));
    } catch (const std::invalid_argument& e) {
      throw std::invalid_argument("layers[" + std::to_string(i) + "]: " + e.what());
    }
  }
  a.n_inputs = inputs;
  a.loss = entry_of<Loss>(loss);
  a.seed = seed;
  return a;
}

Normalizing normalizing_of(const std::string& name) {
  if (name == "none") return Normalizing::none;
  if (name == "standard") return Normalizing::standard;
  if (name == "robust") return Normalizing::robust;
  throw std::invalid_argument("normalize.inputs must be 'none', 'standard' or 'robust'; got '" + name + "'");
}

Index checked_threads(Index threads) {
  if (threads >= 0) return threads;
  throw std::invalid_argument("threads must be at least 0; got " + std::to_string(threads));
}

Epoch epoch_of(const EpochReport& r) {
  return {r.epoch, r.loss, r.validation_loss, r.learning_rate, r.seconds, r.stop_reason, r.score};
}

/// A first-order optimizer or a full-batch solver.
void set_optimizer(const Spec& spec, lamina::FitOptions& to) {
  std::vector<std::string> known = names("solver");
  const auto is_one_of = [&](const std::vector<std::string>& those) {
    return std::any_of(those.begin(), those.end(), [&](const std::string& n) { return same_name(n, spec.name); });
  };
  if (is_one_of(known)) {
    to.solver = entry_of<FullBatchSolver>(spec);
    return;
  }
  const std::vector<std::string> rules = names("optimizer");
  known.insert(known.end(), rules.begin(), rules.end());
  if (!is_one_of(rules))
    throw std::invalid_argument("unknown optimizer '" + spec.name + "'; did you mean '" + nearest(spec.name, known)[0] +
                                "'?");
  to.optimizer = entry_of<Optimizer>(spec);
}

lamina::FitOptions core_options(const FitOptions& from, std::uint64_t seed) {
  lamina::FitOptions to;
  to.epochs = from.epochs;
  to.batch_size = from.batch_size;
  set_optimizer(from.optimizer, to);
  to.penalty = {from.l1, from.l2};
  to.penalty_per_batch = from.penalty_per_batch;
  if (from.clip) to.clipping = entry_of<Clipping>(*from.clip);
  to.sam_rho = from.sam_rho;
  to.shuffle = from.shuffle;
  to.resume = from.resume;
  to.threads = checked_threads(from.threads);
  to.seed = seed;
  if (from.schedule && same_name(from.schedule->name, schedule::ReduceOnPlateau::name))
    set_parameters(to.plateau.emplace(), *from.schedule);
  else if (from.schedule) to.schedule = entry_of<Schedule>(*from.schedule);
  if (from.decay_schedule) to.decay_schedule = entry_of<Schedule>(*from.decay_schedule);
  if (from.dropout_schedule) to.dropout_schedule = entry_of<Schedule>(*from.dropout_schedule);
  to.rates = from.rates;
  to.decays = from.decays;
  to.average = from.average;
  if (from.metric) to.metric = entry_of<Metric>(*from.metric);
  if (from.early_stopping) {
    const EarlyStopping& stopping = *from.early_stopping;
    EarlyStop& stop = to.early_stop.emplace();
    stop.patience = stopping.patience;
    stop.min_delta = stopping.min_delta;
    stop.restore_best = stopping.restore_best;
    stop.latest = stopping.latest;
    if (stopping.monitor) to.monitor = [&stopping](const EpochReport& r) { return stopping.monitor(epoch_of(r)); };
  }
  if (from.on_epoch) {
    to.on_epoch = [&from](EpochReport& r) {
      Epoch epoch = epoch_of(r);
      from.on_epoch(epoch);
      r.stop_reason = epoch.stop_reason;
      if (epoch.learning_rate == r.learning_rate) return;
      r.learning_rate = epoch.learning_rate;
      check_fields(r);
    };
  }
  return to;
}

/// Training and validation samples by number, as Python's `Split` takes them.
template <class T>
std::vector<std::vector<std::int64_t>> set_aside(const Split& how, const lamina::Network<T>& network,
                                                 const Samples<T>& samples) {
  if (!(how.fraction > 0 && how.fraction < 1))
    throw std::invalid_argument("validation must be a fraction greater than 0 and less than 1; got " +
                                std::to_string(how.fraction));
  if (samples.count < 2)
    throw std::invalid_argument("X must have at least 2 samples to set a validation part aside; got " +
                                std::to_string(samples.count));
  const auto classes =
      samples.each_step ? std::vector<std::int32_t>{} : classes_of(network.loss(), samples, network.outputs());
  const bool asked = how.stratify.value_or(false);
  if (asked && !how.shuffle)
    throw std::invalid_argument("stratify needs shuffle: samples in order keep the shares they have");
  if (asked && classes.empty()) throw std::invalid_argument("stratify needs class labels in y");
  const bool stratify = how.stratify.value_or(how.shuffle && can_stratify(classes, 2));
  return split_rows(samples.count, {1 - how.fraction, how.fraction}, stratify ? classes.data() : nullptr, how.shuffle,
                    network.architecture().seed);
}

template <class T> void need_weight(const Samples<T>& samples) {
  if (samples.weight_sum() > 0) return;
  throw std::invalid_argument("sample_weight must not be all zero in the training or the validation part");
}

template <class T> Samples<T> part_of(const Samples<T>& samples, const std::vector<std::int64_t>& index) {
  Samples<T> part = samples;
  part.index = index.data();
  part.count = static_cast<Index>(index.size());
  return part;
}

History history_of(lamina::History&& h) {
  return {std::move(h.loss),
          std::move(h.validation_loss),
          std::move(h.learning_rate),
          h.best_epoch,
          h.stop_reason,
          h.diverged,
          h.evaluations,
          std::move(h.validation_score)};
}

template <class Variant> bool list_names(const std::string& wanted, std::vector<std::string>& out) {
  if (wanted != kind<Variant>) return false;
  out = lamina::names<Variant>();
  return true;
}

}  // namespace

std::vector<std::string> names(const std::string& kind) {
  std::vector<std::string> out;
  const auto among = [&](auto... variants) { return (list_names<decltype(variants)>(kind, out) || ...); };
  if (among(LayerSpec{}, Activation{}, Loss{}, Initializer{}, Optimizer{}, FullBatchSolver{}, Schedule{}, Clipping{},
            Metric{}))
    return out;
  throw std::invalid_argument(
      "kind must be layer, activation, loss, initializer, optimizer, solver, schedule, clipping or "
      "metric; got " +
      kind);
}

std::vector<std::vector<Index>> split(Index rows, const std::vector<double>& fractions, const Labels& labels,
                                      bool shuffle, std::uint64_t seed) {
  if (!labels.empty() && static_cast<Index>(labels.size()) != rows)
    throw std::invalid_argument("labels must have one entry for each of the " + std::to_string(rows) + " rows; got " +
                                std::to_string(labels.size()));
  if (rows > std::numeric_limits<Index>::max() / static_cast<Index>(sizeof(Index))) throw std::bad_alloc();
  std::vector<std::vector<Index>> out;
  for (const auto& part : split_rows(rows, fractions, labels.empty() ? nullptr : labels.data(), shuffle, seed))
    out.emplace_back(part.begin(), part.end());
  return out;
}

void set_num_threads(Index n) {
  if (n < 1) throw std::invalid_argument("n must be at least 1; got " + std::to_string(n));
  kernels::set_max_threads(n);
}
Index num_threads() { return kernels::max_threads(); }

namespace detail {

#ifdef _GLIBCXX_DEBUG
const bool with_glibcxx_debug = true;
#else
const bool without_glibcxx_debug = true;
#endif

template <class T> struct Engine<T>::Parts {
  SavedModel<T> model;
  OptimizerMemory<T> memory;
  std::unique_ptr<Stepper<T>> stepper;

  explicit Parts(SavedModel<T> m) : model(std::move(m)) {}
  Parts(const Parts& other) : model(other.model), memory(other.memory) {}
};

template <class T>
Engine<T>::Engine(const std::vector<Spec>& layers, Index inputs, const Spec& loss, std::uint64_t seed,
                  const Normalize& normalize)
    : parts_(std::make_unique<Parts>(SavedModel<T>{lamina::Network<T>(architecture_of(layers, inputs, loss, seed)),
                                                   normalizing_of(normalize.inputs),
                                                   normalize.targets,
                                                   {}})) {
  if (normalize.targets && target_domain(parts_->model.network.loss()).kind != TargetKind::real)
    throw std::invalid_argument("normalize.targets needs a loss whose targets are any numbers; got " +
                                name_of(parts_->model.network.loss()));
}
template <class T> Engine<T>::Engine(const std::string& path) : parts_(std::make_unique<Parts>(read_model<T>(path))) {
  parts_->memory.trained = true;
}
template <class T> Engine<T>::Engine(const Engine& other) : parts_(std::make_unique<Parts>(*other.parts_)) {}
template <class T> Engine<T>::~Engine() = default;

template <class T> Index Engine<T>::inputs() const { return parts_->model.network.inputs(); }
template <class T> Index Engine<T>::outputs() const { return parts_->model.network.outputs(); }
template <class T> Index Engine<T>::output_rows(Index rows, const Sequences& sequences) const {
  const lamina::Network<T>& network = parts_->model.network;
  return network.recurrent() && !network.each_step() && sequences.steps > 0 ? rows / sequences.steps : rows;
}

template <class T> std::vector<std::string> Engine<T>::parameter_names(bool trained_alone) const {
  std::vector<std::string> out;
  for (const NamedParameter& p : parts_->model.network.named_parameters()) {
    if (p.info.trained || !trained_alone) out.push_back(std::to_string(p.layer) + "." + p.info.name);
  }
  return out;
}

template <class T> Parameter<T> Engine<T>::parameter(const std::string& name) {
  lamina::Network<T>& network = parts_->model.network;
  for (const NamedParameter& p : network.named_parameters()) {
    if (std::to_string(p.layer) + "." + p.info.name != name) continue;
    T* arena = (p.info.trained ? network.parameters() : network.state()).data();
    return {arena + p.info.offset, p.info.size() / p.info.columns, p.info.columns};
  }
  const std::vector<std::string> known = parameter_names(false);
  throw std::invalid_argument(
      "no parameter is called '" + name + "'" +
      (known.empty() ? "; the network has none" : "; did you mean '" + nearest(name, known)[0] + "'?"));
}

template <class T> const std::vector<T>& Engine<T>::input_mean() const {
  return parts_->model.network.normalization().mean;
}
template <class T> const std::vector<T>& Engine<T>::input_scale() const {
  return parts_->model.network.normalization().scale;
}
template <class T> void Engine<T>::set_normalization(std::vector<T> mean, std::vector<T> scale) {
  Normalization<T> next{std::move(mean), std::move(scale), {}, false};
  const Normalization<T>& known = parts_->model.network.normalization();
  if (!next.empty() && known.limited) {
    next.limit = known.limit;
    next.limited = true;
  }
  parts_->model.network.set_normalization(std::move(next));
}

template <class T> History Engine<T>::fit(const Data<T>& data, const Data<T>* validation, const FitOptions& options) {
  lamina::Network<T>& network = parts_->model.network;
  const std::uint64_t seed = network.architecture().seed;
  const CheckedData<T> all(network, data, options.sample_weight, options.sequences);
  if (!options.resume) need_two_classes(network.loss(), all.samples(), network.outputs());
  Samples<T> train = all.samples(), held;
  std::optional<CheckedData<T>> own;
  std::vector<std::vector<std::int64_t>> parts;
  if (validation) {
    own.emplace(network, *validation, options.validation_sample_weight, options.validation_sequences, "validation ");
    held = own->samples();
  } else if (!options.validation_sample_weight.empty()) {
    throw std::invalid_argument("validation_sample_weight needs a validation set of your own");
  } else if (options.validation_sequences.steps != 0 || !options.validation_sequences.lengths.empty()) {
    throw std::invalid_argument("validation_sequences needs a validation set of your own");
  } else if (options.validation) {
    parts = set_aside(*options.validation, network, train);
    held = part_of(train, parts[1]);
    train = part_of(train, parts[0]);
    need_weight(train);
    need_weight(held);
  }
  lamina::FitOptions how = core_options(options, seed);
  if (network.normalization().empty()) how.normalize_inputs = parts_->model.inputs;
  how.normalize_targets = parts_->model.targets && network.target_scale().empty();
  lamina::History history;
  lamina::fit<T>(network, train, held, how, parts_->memory, history);
  return history_of(std::move(history));
}

template <class T>
void Engine<T>::infer(const View<T>& x, bool link, const Sequences& sequences, Index threads, T* out) const {
  const CheckedData<T> data(parts_->model.network, x, sequences);
  InferOptions options;
  options.link = link;
  const Index rows = output_rows(x.rows, sequences), columns = outputs();
  lamina::infer(parts_->model.network, data.samples(), options, lamina::Matrix<T>(out, rows, columns),
                checked_threads(threads));
}

template <class T> double Engine<T>::evaluate(const Data<T>& data, const LossOptions& options) const {
  const lamina::Network<T>& network = parts_->model.network;
  const CheckedData<T> checked(network, data, options.sample_weight, options.sequences);
  return evaluate_samples(network, checked.samples(), checked_threads(options.threads)).loss;
}

template <class T>
double Engine<T>::loss_and_gradients(const Data<T>& data, const LossOptions& options, T* gradients) const {
  for (const double penalty : {options.l1, options.l2}) {
    if (!(std::isfinite(penalty) && penalty >= 0))
      throw std::invalid_argument("l1 and l2 must be finite and at least 0; got " + std::to_string(penalty));
  }
  const CheckedData<T> checked(parts_->model.network, data, options.sample_weight, options.sequences);
  GradientOptions how;
  how.penalty = {options.l1, options.l2};
  how.training = options.training;
  how.threads = checked_threads(options.threads);
  return lamina::loss_and_gradients<T>(parts_->model.network, checked.samples(), how,
                                       {gradients, parts_->model.network.parameters().size()}, {});
}

template <class T> void Engine<T>::step(const View<T>& x, T* out) {
  const lamina::Network<T>& network = parts_->model.network;
  if (!network.recurrent()) throw std::invalid_argument("step needs a network with a Recurrent layer; use predict");
  const CheckedData<T> data(network, x, {1, {}});
  std::unique_ptr<Stepper<T>>& stepper = parts_->stepper;
  if (stepper && stepper->count() != x.rows)
    throw std::invalid_argument("x must go on with the " + std::to_string(stepper->count()) +
                                " sequences under way; got " + std::to_string(x.rows) + ": reset_state() first");
  if (!stepper) stepper = std::make_unique<Stepper<T>>(network, x.rows);
  stepper->step(network, data.samples().x, true, lamina::Matrix<T>(out, x.rows, network.outputs()));
}
template <class T> void Engine<T>::reset_state() { parts_->stepper.reset(); }

template <class T> void Engine<T>::save(const std::string& path) const { write_model(path, parts_->model); }
template <class T> std::map<std::string, std::string>& Engine<T>::metadata() const { return parts_->model.metadata; }

template class Engine<float>;
template class Engine<double>;

}  // namespace detail
}  // namespace lamina::api
