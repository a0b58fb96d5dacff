/// Training and prediction of one small network for every entry of the registries: the same bits on one thread and on
/// three, and of a fit that was broken off after any epoch and gone on with by another network. A line with a digest
/// for each goes to the output, so that builds for other vector widths can be compared.
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <functional>
#include <limits>
#include <random>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "train/checkpoint.hpp"

namespace {

using lamina::Index;

int failures = 0;

constexpr Index inputs = 5, outputs = 3;

/// FNV-1a of the bytes of some arrays.
class Digest {
 public:
  template <class T> void add(const T* x, Index n) {
    const auto* bytes = reinterpret_cast<const unsigned char*>(x);
    for (std::size_t i = 0; i < static_cast<std::size_t>(n) * sizeof(T); ++i) value_ = (value_ ^ bytes[i]) * prime;
  }
  std::uint64_t value() const { return value_; }

 private:
  static constexpr std::uint64_t prime = 1099511628211U;
  std::uint64_t value_ = 14695981039346656037U;
};

/// Inputs of every row; targets that suit any loss: whole numbers that are also labels.
template <class T> struct Data {
  explicit Data(Index rows_) : rows(rows_) {
    std::mt19937 generator(1);  // its numbers are the standard's; distributions are not
    for (T& v : x) v = static_cast<T>(generator() % 2001) / T(500) - T(2);
    for (std::int32_t& v : labels) v = static_cast<std::int32_t>(generator() % outputs);
    for (T& v : values) v = static_cast<T>(generator() % 2);
  }
  lamina::Samples<T> samples(const lamina::Loss& loss) const {
    lamina::Samples<T> s;
    s.x = lamina::Matrix<const T>(x.data(), rows, inputs);
    s.count = rows;
    if (lamina::targets_of(loss) == lamina::TargetKind::classes) s.y.labels = labels.data();
    else s.y.values = lamina::Matrix<const T>(values.data(), rows, outputs);
    return s;
  }
  const Index rows;
  std::vector<T> x = std::vector<T>(static_cast<std::size_t>(rows * inputs));
  std::vector<T> values = std::vector<T>(static_cast<std::size_t>(rows * outputs));
  std::vector<std::int32_t> labels = std::vector<std::int32_t>(static_cast<std::size_t>(rows));
};

struct Case {
  Case(std::string name_, std::vector<lamina::LayerSpec> hidden_, lamina::Loss loss_ = lamina::loss::CrossEntropy{},
       lamina::Optimizer optimizer_ = lamina::optimizer::Adam{})
      : name(std::move(name_)), hidden(std::move(hidden_)), loss(loss_), optimizer(optimizer_) {}

  std::string name;
  std::vector<lamina::LayerSpec> hidden;
  lamina::Loss loss;
  lamina::Optimizer optimizer;
  lamina::Schedule schedule;
  lamina::Clipping clipping;
  Index rows = 53, batch = 21;
  std::function<void(lamina::FitOptions&)> more = [](lamina::FitOptions&) {};
};

template <class L, class = void> constexpr bool has_units = false;
template <class L> constexpr bool has_units<L, std::void_t<decltype(L::units)>> = true;

lamina::Architecture architecture_of(const Case& c) {
  lamina::Architecture architecture;
  architecture.layers = c.hidden;
  if (const auto* shared = std::get_if<lamina::layer::SharedDense>(&c.hidden.back())) {
    lamina::layer::SharedDense last;  // what goes on with the members keeps them apart
    last.units = outputs;
    last.members = shared->members;
    last.kind = "separate";
    architecture.layers.emplace_back(last);
  } else {
    lamina::layer::Dense last;
    last.units = outputs;
    architecture.layers.emplace_back(last);
  }
  architecture.n_inputs = inputs;
  architecture.loss = c.loss;
  return architecture;
}

lamina::FitOptions options_of(const Case& c, Index threads) {
  lamina::FitOptions options;
  options.epochs = 3;
  options.batch_size = c.batch;
  options.optimizer = c.optimizer;
  options.schedule = c.schedule;
  options.clipping = c.clipping;
  options.penalty = {1e-4, 1e-4};
  options.threads = threads;
  c.more(options);
  return options;
}

template <class T> std::uint64_t trained(const Case& c, Index threads) {
  const Index rows = c.rows;
  const Data<T> data(rows);
  lamina::Network<T> network(architecture_of(c));
  lamina::OptimizerMemory<T> memory;
  lamina::History history;
  const lamina::Samples<T> samples = data.samples(c.loss);
  lamina::fit<T>(network, samples, {}, options_of(c, threads), memory, history);
  std::vector<T> predictions(static_cast<std::size_t>(rows * outputs));
  lamina::InferOptions as_predictions;
  as_predictions.link = true;
  lamina::infer<T>(network, samples, as_predictions, {predictions.data(), rows, outputs}, threads);
  Digest digest;
  digest.add(network.parameters().data(), network.parameters().size());
  digest.add(history.loss.data(), static_cast<Index>(history.loss.size()));
  digest.add(predictions.data(), rows * outputs);
  return digest.value();
}

/// All that a fit leaves.
template <class T>
std::uint64_t left_of(const lamina::Network<T>& network, const lamina::OptimizerMemory<T>& memory,
                      const lamina::History& history) {
  Digest digest;
  const auto add = [&](const auto& values) { digest.add(values.data(), static_cast<Index>(values.size())); };
  add(network.parameters());
  add(network.state());
  add(network.normalization().mean);
  add(network.normalization().scale);
  add(network.target_scale().mean);
  for (const auto& slot : memory.slots) add(slot);
  const Index counts[] = {static_cast<Index>(memory.step), memory.epochs, history.best_epoch, history.evaluations};
  digest.add(counts, 4);
  add(history.loss);
  add(history.validation_loss);
  add(history.validation_score);
  add(history.learning_rate);
  add(history.stop_reason);
  return digest.value();
}

bool courses_too = true;

/// What `c` comes to: at once, and gone on with after each epoch by a network that was something else before. With
/// `stopped` it was a hook that broke it off, just when the fit may have been at its own end.
template <class T> void check_course(const Case& c, bool validated, bool stopped = false) {
  const Data<T> data(c.rows);
  const lamina::Samples<T> all = data.samples(c.loss);
  const Index held_count = validated ? c.rows / 4 : 0;
  const lamina::Samples<T> train = all.slice(0, c.rows - held_count),
                           held = validated ? all.slice(c.rows - held_count, held_count) : lamina::Samples<T>{};
  const lamina::FitOptions options = options_of(c, 1);
  std::vector<lamina::FitState<T>> states;
  lamina::FitCourse<T> told;
  told.on_state = [&](lamina::FitState<T>&& state) { states.push_back(std::move(state)); };
  lamina::Network<T> network(architecture_of(c));
  lamina::OptimizerMemory<T> memory;
  lamina::History history;
  lamina::fit<T>(network, train, held, options, memory, history, told);
  const std::uint64_t wanted = left_of(network, memory, history);
  if (stopped) {
    lamina::FitOptions hooked = options;
    const auto last = static_cast<Index>(states.size());
    states.clear();
    hooked.on_epoch = [&options, last](lamina::EpochReport& report) {
      if (options.on_epoch) options.on_epoch(report);
      if (report.epoch == last) report.stop_reason = "enough";
    };
    lamina::Network<T> again(architecture_of(c));
    lamina::OptimizerMemory<T> own;
    lamina::History ignored;
    lamina::fit<T>(again, train, held, hooked, own, ignored, told);
    states.erase(states.begin(), states.end() - 1);
    lamina::FitPosition& at = states.back().position;
    if (!at.ended) {  // then it goes on
      at.stopped = false;
      states.back().history.stop_reason = lamina::History().stop_reason;
    }
  }
  for (const lamina::FitState<T>& state : states) {
    lamina::Network<T> other(architecture_of(c));
    other.initialize(99);
    lamina::OptimizerMemory<T> own;
    lamina::History its;
    lamina::FitCourse<T> course;
    course.from = &state;
    lamina::FitOptions shared = options;
    shared.threads = 2;
    lamina::fit<T>(other, train, held, shared, own, its, course);
    if (left_of(other, own, its) == wanted) continue;
    std::printf("FAILED: %s %s, gone on with after epoch %td, has other bits\n", c.name.c_str(),
                sizeof(T) == 4 ? "float" : "double", state.position.epoch);
    ++failures;
  }
  if (!states.empty()) return;
  std::printf("FAILED: %s tells of no state\n", c.name.c_str());
  ++failures;
}

/// States that no fit comes to are refused before anything has changed.
void check_states() {
  using lamina::FitState;
  const Data<float> data(40);
  const Case c("state", {lamina::layer::BatchNorm{}}, lamina::loss::SquaredError{});
  const lamina::Samples<float> train = data.samples(c.loss);
  FitState<float> good;
  lamina::FitCourse<float> course;
  course.on_state = [&](FitState<float>&& state) { good = std::move(state); };
  lamina::OptimizerMemory<float> memory;
  lamina::History history;
  lamina::FitOptions options = options_of(c, 1);
  lamina::Network<float> network(architecture_of(c));
  lamina::fit<float>(network, train, {}, options, memory, history, course);
  options.epochs = 5;
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const std::pair<const char*, std::function<void(FitState<float>&)>> bad[] = {
      {"no epoch", [](auto& s) { s.position.epoch = 0; }},
      {"a negative epoch", [](auto& s) { s.position.epoch = -1; }},
      {"other epochs", [](auto& s) { s.position.epoch = 4; }},
      {"an age", [](auto& s) { s.position.seconds = 1e300; }},
      {"no time", [nan](auto& s) { s.position.seconds = nan; }},
      {"a rate", [nan](auto& s) { s.position.rate = nan; }},
      {"no best value", [nan](auto& s) { s.position.best_value = nan; }},
      {"a count", [](auto& s) { s.position.waited = -1; }},
      {"a large count", [](auto& s) { s.position.averaged = std::numeric_limits<std::int64_t>::max(); }},
      {"a best epoch", [](auto& s) { s.history.best_epoch = 4; }},
      {"no best epoch", [](auto& s) { s.history.best_epoch = 0; }},
      {"a rest of rates", [](auto& s) { s.history.learning_rate.pop_back(); }},
      {"validation", [](auto& s) { s.history.validation_loss = s.history.loss; }},
      {"divergence", [](auto& s) { s.history.diverged = true; }},
      {"nothing begun", [](auto& s) { s.history.began = false; }},
      {"no arrays", [](auto& s) { s.arrays.clear(); }},
      {"another optimizer", [](auto& s) { s.memory.optimizer = lamina::running(lamina::optimizer::SGD{}); }},
      {"short slots", [](auto& s) { s.memory.slots.back() = lamina::Arena<float>(3); }},
      {"a short mean", [](auto& s) { s.normalization = {{0}, {1}, {}, false}; }}};
  for (const auto& [what, change] : bad) {
    FitState<float> state = good;
    change(state);
    lamina::FitCourse<float> from;
    from.from = &state;
    lamina::Network<float> other(architecture_of(c));
    other.initialize(7);
    lamina::OptimizerMemory<float> own;
    lamina::History its;
    const std::uint64_t before = left_of(other, own, its);
    bool refused = false;
    try {
      lamina::fit<float>(other, train, {}, options, own, its, from);
    } catch (const std::invalid_argument&) {
      refused = true;
    }
    if (refused && left_of(other, own, its) == before && !own.optimizer) continue;
    std::printf("FAILED: a state with %s %s\n", what, refused ? "changes something" : "is taken");
    ++failures;
  }
}

/// A memory that tells of any number of epochs leads to a rate all the same.
void check_counts() {
  const Data<float> data(1500);
  Case c("counts", {lamina::layer::BatchNorm{}}, lamina::loss::SquaredError{});
  c.schedule = lamina::schedule::InverseScaling{};
  lamina::Network<float> network(architecture_of(c));
  lamina::OptimizerMemory<float> memory;
  lamina::FitOptions options = options_of(c, 1);
  options.epochs = 1;
  for (const bool again : {false, true}) {
    lamina::History history;
    options.resume = again;
    lamina::fit<float>(network, data.samples(c.loss), {}, options, memory, history);
    memory.epochs = Index{1} << 53;
    if (!history.diverged && history.learning_rate.back() >= 0 && history.learning_rate.back() < 1) continue;
    std::printf("FAILED: the rate after 2^53 epochs is %g\n", history.learning_rate.back());
    ++failures;
  }
}

template <class T> void check(const Case& c) {
  const char* const type = sizeof(T) == 4 ? "float" : "double";
  const std::uint64_t alone = trained<T>(c, 1), shared = trained<T>(c, 3);
  std::printf("%s %s %016llx\n", c.name.c_str(), type, static_cast<unsigned long long>(alone));
  if (courses_too && c.rows < 1000 && c.name != "wide") check_course<T>(c, false);
  if (alone == shared) return;
  std::printf("FAILED: %s %s has other bits on three threads\n", c.name.c_str(), type);
  ++failures;
}

lamina::layer::Dense dense(Index units, lamina::Activation activation) {
  lamina::layer::Dense d;
  d.units = units;
  d.activation = std::move(activation);
  return d;
}

std::vector<Case> cases() {
  std::vector<Case> all;
  const lamina::LayerSpec tanh = dense(11, lamina::activation::Tanh{});
  lamina::for_each_type<lamina::Activation>(
      [&](const auto& f) { all.push_back({std::string("activation ") + f.name, {dense(17, f), dense(10, f)}}); });
  lamina::for_each_type<lamina::Activation>([&](const auto& f) {
    if (f.slope != lamina::Slope::none) return;
    lamina::layer::Dense own = dense(17, f);
    own.parametric = true;
    own.parametrization = "ntk";
    all.push_back({std::string("parametric ") + f.name, {own, own}});
  });
  lamina::for_each_type<lamina::Initializer>([&](const auto& rule) {
    lamina::layer::Dense own = dense(17, lamina::activation::Mish{});
    own.initializer = rule;
    all.push_back({std::string("initializer ") + rule.name, {own, own}});
  });
  lamina::for_each_type<lamina::Loss>(
      [&](const auto& loss) { all.push_back({std::string("loss ") + loss.name, {tanh}, loss}); });
  lamina::for_each_type<lamina::Optimizer>([&](const auto& rule) {
    all.push_back({std::string("optimizer ") + rule.name, {tanh}, lamina::loss::SquaredError{}, rule});
  });
  lamina::for_each_type<lamina::Schedule>([&](auto schedule) {
    all.push_back({std::string("schedule ") + schedule.name, {tanh}});
    if constexpr (std::is_same_v<decltype(schedule), lamina::schedule::Warmup>)
      schedule.then.schedule =
          std::make_shared<lamina::schedule::AnySchedule>(lamina::schedule::AnySchedule{lamina::schedule::Cosine{}});
    all.back().schedule = schedule;
  });
  lamina::for_each_type<lamina::LayerSpec>([&](auto layer) {
    using L = std::decay_t<decltype(layer)>;
    if constexpr (has_units<L>) layer.units = 9;
    constexpr bool categories = std::is_same_v<L, lamina::layer::Embedding>;
    if constexpr (categories) {
      layer.columns = {0, 2};
      layer.categories = {3, 2};
    }
    const bool first = categories || std::is_same_v<L, lamina::layer::Recurrent>;  // sequences come in front
    all.push_back({std::string("layer ") + layer.name,
                   first ? std::vector<lamina::LayerSpec>{layer} : std::vector<lamina::LayerSpec>{tanh, layer}});
  });
  // Large enough for packed panels, several blocks and steps piece by piece.
  all.push_back({"wide", {dense(300, lamina::activation::Relu{}), dense(517, lamina::activation::Gelu{})}});
  // Batches whose sums over the rows are cut into blocks: stepped on piece by piece, or kept, of one chunk or several.
  for (const Index rows : {Index{1500}, Index{5000}}) {
    for (const bool kept : {false, true}) {
      const std::string name = std::string(kept ? "kept" : "stepped") + " batch of " + std::to_string(rows);
      all.push_back({name, {tanh, lamina::layer::BatchNorm{}, dense(300, lamina::activation::Relu{})}});
      all.push_back({name + " in chunks", {tanh, dense(300, lamina::activation::Relu{})}});
      for (auto c = all.end() - 2; c != all.end(); ++c) {
        c->rows = c->batch = rows;
        if (kept) c->clipping = lamina::clipping::ClipNorm{};
      }
    }
  }
  return all;
}

/// What a fit remembers beside weights and slots.
std::vector<Case> courses() {
  using lamina::FitOptions;
  const lamina::LayerSpec tanh = dense(11, lamina::activation::Tanh{}), normalized = lamina::layer::BatchNorm{};
  lamina::layer::Dropout dropout;
  dropout.rate = 0.3;
  std::vector<Case> all;
  const auto add = [&](const char* name, std::function<void(FitOptions&)> more) {
    all.push_back({name, {tanh, normalized, dropout}, lamina::loss::SquaredError{}});
    all.back().more = [more](FitOptions& o) {
      o.epochs = 9;
      o.optimizer = lamina::optimizer::Adam{};
      more(o);
    };
  };
  add("average", [](FitOptions& o) { o.average = 0.9; });
  add("sam", [](FitOptions& o) { o.sam_rho = 0.05; });
  add("plateau", [](FitOptions& o) {
    o.plateau.emplace();
    o.plateau->patience = 1;
    o.plateau->min_delta = 0.2;
  });
  add("early stopping", [](FitOptions& o) {
    o.early_stop.emplace();
    o.early_stop->patience = 2;
    o.early_stop->min_delta = 0.05;
  });
  add("all at once", [](FitOptions& o) {
    o.average = 0.95;
    o.early_stop.emplace();
    o.early_stop->latest = true;
    o.normalize_inputs = lamina::Normalizing::robust;
    o.normalize_targets = true;
    o.clipping = lamina::clipping::ClipNorm{};
    o.schedule = lamina::schedule::Cosine{};
    o.dropout_schedule = lamina::schedule::Cosine{};
    o.on_epoch = [](lamina::EpochReport& r) {
      if (r.epoch == 3) r.learning_rate *= 0.5;
    };
  });
  lamina::for_each_type<lamina::FullBatchSolver>([&](const auto& solver) {
    for (const bool soon : {false, true}) {
      add(solver.name, [solver, soon](FitOptions& o) {
        auto own = solver;
        if (soon) own.loss_tolerance = 1e-2;
        o.solver = own;
        o.epochs = 40;
        o.penalty = {0, 1e-3};
      });
      all.back().hidden = {tanh};
    }
  });
  return all;
}

}  // namespace

/// `test_bits digests` prints the digests alone: what is compared with another build's.
int main(int count, char** words) {
  courses_too = count < 2 || std::string(words[1]) != "digests";
  for (const Case& c : cases()) {
    check<float>(c);
    check<double>(c);
  }
  if (!courses_too) return failures == 0 ? 0 : 1;
  for (const Case& c : courses()) {
    for (const bool validated : {false, true}) {
      check_course<float>(c, validated);
      check_course<double>(c, validated);
      check_course<double>(c, validated, true);
    }
  }
  check_states();
  check_counts();
  return failures == 0 ? 0 : 1;
}
