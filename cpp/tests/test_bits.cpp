/// Training and prediction of one small network for every entry of the registries: the same bits on one thread and on
/// three. A line with a digest for each goes to the output, so that builds for other vector widths can be compared.
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <random>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "train/trainer.hpp"

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
};

template <class L, class = void> constexpr bool has_units = false;
template <class L> constexpr bool has_units<L, std::void_t<decltype(L::units)>> = true;

template <class T> std::uint64_t trained(const Case& c, Index threads) {
  const Index rows = c.rows;
  const Data<T> data(rows);
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
  lamina::Network<T> network(architecture);
  lamina::FitOptions options;
  options.epochs = 3;
  options.batch_size = c.batch;
  options.optimizer = c.optimizer;
  options.schedule = c.schedule;
  options.clipping = c.clipping;
  options.penalty = {1e-4, 1e-4};
  options.threads = threads;
  lamina::OptimizerMemory<T> memory;
  lamina::History history;
  const lamina::Samples<T> samples = data.samples(c.loss);
  lamina::fit<T>(network, samples, {}, options, memory, history);
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

template <class T> void check(const Case& c) {
  const char* const type = sizeof(T) == 4 ? "float" : "double";
  const std::uint64_t alone = trained<T>(c, 1), shared = trained<T>(c, 3);
  std::printf("%s %s %016llx\n", c.name.c_str(), type, static_cast<unsigned long long>(alone));
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

}  // namespace

int main() {
  for (const Case& c : cases()) {
    check<float>(c);
    check<double>(c);
  }
  return failures == 0 ? 0 : 1;
}
