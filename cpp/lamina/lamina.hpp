/// lamina for C++ programs: neural networks on a CPU, in Eigen's types. This header is all of it; it needs Eigen and
/// the standard library alone, and whatever flags a program is compiled with, the compiled core keeps its own; but for
/// those that change the standard library's types, which have to be the same: with others it is not linked.
///
///   lamina::Network<float> net({lamina::dense(64, "relu"), lamina::dense(10)}, 64, "cross_entropy");
///   lamina::History history = net.fit(X, labels);  // Adam; stops early on a tenth of the rows, keeps the best weights
///   lamina::Matrix<float> probabilities = net.predict(X_new);
///
/// A row of a matrix is a sample. With the same seed, data and options a network ends with the same bits as Python's
/// `lamina.Network`, on any number of threads. What is wrong with an argument is told by std::invalid_argument, which
/// names it, before anything has changed; std::bad_alloc where memory is short.
#pragma once

#include <Eigen/Core>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <variant>
#include <vector>

namespace lamina {
namespace api {

using Index = std::ptrdiff_t;

/// (rows, columns), row-major: a row is a sample.
template <class T> using Matrix = Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
/// Any Eigen matrix or vector of T as an argument; one whose rows are contiguous is read in place, another is copied.
template <class T> using MatrixRef = Eigen::Ref<const Matrix<T>>;
/// Class numbers, one a row, from 0. For a binary loss, 0 or 1 with one output, else the output that is 1.
using Labels = std::vector<int>;

struct Spec;

/// The value of a parameter: a number or several, true or false, a text, or an entry with parameters of its own.
class Value {
 public:
  using Variant =
      std::variant<bool, long long, double, std::string, std::vector<long long>, std::shared_ptr<const Spec>>;

  Value(bool v) : variant_(v) {}
  template <class I, std::enable_if_t<std::is_integral_v<I>, int> = 0> Value(I v) : variant_(whole(v)) {}
  Value(double v) : variant_(v) {}
  Value(const char* v) : variant_(std::string(v)) {}
  Value(std::string v) : variant_(std::move(v)) {}
  template <class I, std::enable_if_t<std::is_integral_v<I>, int> = 0>
  Value(const std::vector<I>& v) : variant_(std::vector<long long>()) {
    for (const I each : v) std::get<std::vector<long long>>(variant_).push_back(whole(each));
  }
  inline Value(Spec v);

  const Variant& variant() const { return variant_; }

 private:
  template <class I> static long long whole(I v) {
    constexpr long long most = std::numeric_limits<long long>::max();
    if constexpr (std::is_unsigned_v<I>) {
      if (v > static_cast<unsigned long long>(most))
        throw std::invalid_argument("a whole number must be at most " + std::to_string(most) + "; got " +
                                    std::to_string(v));
    }
    return static_cast<long long>(v);
  }

  Variant variant_;
};

/// An entry of a registry with parameters that differ from its defaults: a layer, an activation, a loss, an optimizer,
/// a schedule, ..., as in `Spec("Adam", {{"lr", 1e-2}})`; a name alone will do. Names and parameters are Python's, and
/// are checked where the entry is used.
struct Spec {
  using Parameters = std::vector<std::pair<std::string, Value>>;

  Spec(const char* entry) : name(entry) {}
  Spec(std::string entry, Parameters values = {}) : name(std::move(entry)), parameters(std::move(values)) {}

  std::string name;
  Parameters parameters;
};

inline Value::Value(Spec v) : variant_(std::make_shared<const Spec>(std::move(v))) {}

/// Every name of a registry: "layer", "activation", "loss", "initializer", "optimizer", "solver", "schedule",
/// "clipping" or "metric". Throws std::invalid_argument for another kind.
std::vector<std::string> names(const std::string& kind);

/// y = f(x W + b). Without an activation for the last layer: the loss has the softmax or the logistic.
inline Spec dense(Index units, Spec activation = "identity") {
  return {"Dense", {{"units", units}, {"activation", std::move(activation)}}};
}
/// In training, sets a share `rate` of the inputs to 0.
inline Spec dropout(double rate) { return {"Dropout", {{"rate", rate}}}; }
/// Batch normalisation.
inline Spec batch_norm() { return "BatchNorm"; }
/// The vanilla recurrent layer (Elman): the output of every step of a sequence, or of the last one alone.
inline Spec recurrent(Index units, bool return_sequences = false) {
  return {"Recurrent", {{"units", units}, {"return_sequences", return_sequences}}};
}

/// How the rows of X are sequences, for networks with recurrent layers: sample i is the rows i * steps, i * steps + 1,
/// ..., of which its first lengths[i] count.
struct Sequences {
  Index steps = 0;           ///< rows of X a sample; 0: a row is a sample
  std::vector<int> lengths;  ///< 1 .. steps, one a sample; empty: every step counts
};

/// How `fit` sets a validation part aside.
struct Split {
  double fraction = 0.1;         ///< share of the samples, in (0, 1)
  std::optional<bool> stratify;  ///< keep the classes' shares; unset: wherever there are labels, two or more a class
  bool shuffle = true;           ///< false takes the last samples, in order: for time series
};

/// What is known at the end of an epoch. `on_epoch` may set the learning rate for the epochs to come, and a reason to
/// stop after this one.
struct Epoch {
  Index epoch = 0;                        ///< counted from 1
  double loss = 0;                        ///< of the training samples as their batches were seen, penalty included
  std::optional<double> validation_loss;  ///< where there is a validation part
  double learning_rate = 0;
  double seconds = 0;  ///< since the fit began
  std::optional<std::string> stop_reason;
  std::optional<double> score;  ///< the metric of the validation part, where there is one
};

/// Stop when the watched value has not improved for a while.
struct EarlyStopping {
  Index patience = 10;       ///< epochs without improvement
  double min_delta = 0;      ///< an improvement is a fall by more than this
  bool restore_best = true;  ///< put the best weights back at the end
  /// The watched value, lower is better; by default the validation loss, or the training loss where there is none.
  std::function<double(const Epoch&)> monitor;
  bool latest = false;  ///< of equally good epochs the last one counts as the best, not the first
};

/// What is brought to size by numbers of the training part of the first fit, which are kept and saved with the network.
struct Normalize {
  std::string inputs = "none";  ///< "none", "standard" (mean and deviation) or "robust" (quartiles, a smooth clip)
  bool targets = false;         ///< targets to mean 0 and deviation 1; predictions are as the targets were given

  Normalize() = default;
  Normalize(bool standard) : inputs(standard ? "standard" : "none") {}
  Normalize(const char* how, bool targets_too = false) : inputs(how), targets(targets_too) {}
};

/// The options of `Network::fit`, with Python's defaults.
struct FitOptions {
  Index epochs = 100;                        ///< the most to train
  Index batch_size = 32;                     ///< samples a step; more than there are means all of them
  Spec optimizer = "Adam";                   ///< or a full-batch solver
  double sam_rho = 0;                        ///< radius of sharpness-aware minimisation around the optimizer; 0: off
  std::optional<Spec> schedule;              ///< factor of the learning rate, or "ReduceOnPlateau"
  double l1 = 0, l2 = 0;                     ///< penalties l1 sum |w| + l2 sum w^2, over weights alone
  bool penalty_per_batch = false;            ///< divide them by the weight sum of the batch, as scikit-learn's alpha
  std::optional<Spec> clip;                  ///< "AGC" or "ClipNorm"
  std::optional<Split> validation{Split{}};  ///< without a validation set of your own; std::nullopt: none
  std::optional<EarlyStopping> early_stopping{EarlyStopping{}};
  std::vector<double> sample_weight;             ///< one a sample (or a step that has a target); empty: 1 each
  std::vector<double> validation_sample_weight;  ///< the same for a validation set of your own
  Sequences sequences, validation_sequences;     ///< for recurrent networks
  bool shuffle = true;                           ///< draw the samples in a new order each epoch
  Index threads = 0;                             ///< 0: as many as pay off; never a different result
  bool resume = false;                   ///< go on with the optimizer's memory of the last fit, if there was one
  std::optional<Spec> decay_schedule;    ///< factor of the optimizer's decoupled decay
  std::optional<Spec> dropout_schedule;  ///< factor of the rates of dropout layers
  /// Factors of the learning rate, and of decoupled decay, by parameter ("0.weight"), layer ("0") or kind ("bias"), of
  /// which the most specific one counts; a rate of 0 freezes.
  std::map<std::string, double> rates, decays;
  double average = 0;                    ///< share of the weights' moving average that a step keeps; 0: no average
  std::optional<Spec> metric;            ///< of the validation part after every epoch, to watch in place of a loss
  std::function<void(Epoch&)> on_epoch;  ///< called after every epoch; may throw, which ends the fit
};

/// What a fit did. It ends in good order also where the loss diverged: then the best weights are back in place.
struct History {
  std::vector<double> loss, validation_loss, learning_rate;  ///< one entry an epoch
  Index best_epoch = 0;                                      ///< counted from 1: where the watched value was lowest
  std::string stop_reason;
  bool diverged = false;                 ///< the loss became NaN or infinite
  Index evaluations = 0;                 ///< of all samples by a full-batch solver; 0 for the others
  std::vector<double> validation_score;  ///< the metric by epoch, where there was one
};

/// For `evaluate` and `loss_and_gradients`.
struct LossOptions {
  std::vector<double> sample_weight;  ///< one a sample (or a step that has a target); empty: 1 each
  Sequences sequences;                ///< for recurrent networks
  Index threads = 0;                  ///< 0: as many as pay off
  double l1 = 0, l2 = 0;              ///< penalties, of `loss_and_gradients` alone
  /// Of `loss_and_gradients`: batch norm uses the batch's own statistics, random layers the draws of step 0.
  bool training = true;
};

template <class T> struct LossAndGradients {
  double loss = 0;                             ///< of all samples as one batch, penalty included
  std::map<std::string, Matrix<T>> gradients;  ///< by parameter name, shaped as `Network::parameter`
};

/// The row numbers of parts of `rows` samples, ascending, such as training and test for the fractions {0.8, 0.2}, which
/// sum to 1; with labels, each part has its share of every class. The parts are those of Python's `lamina.split`, and
/// `X(part, Eigen::placeholders::all)` are their rows.
std::vector<std::vector<Index>> split(Index rows, const std::vector<double>& fractions, const Labels& labels = {},
                                      bool shuffle = true, std::uint64_t seed = 0);

/// Threads that calculations may use, of all the program's: at most `n`, by default as many as there are cores.
void set_num_threads(Index n);
Index num_threads();

// What crosses into the compiled core: no type of Eigen's, whose layout and inline functions depend on a program's
// flags, but the standard library's.
namespace detail {

// Libstdc++'s debug mode makes other types of these: a program does not find the core of the other mode.
#ifdef _GLIBCXX_DEBUG
extern const bool with_glibcxx_debug;
[[gnu::used]] static const bool* const same_mode = &with_glibcxx_debug;
#else
extern const bool without_glibcxx_debug;
[[gnu::used]] static const bool* const same_mode = &without_glibcxx_debug;
#endif

/// A row-major matrix in the caller's memory.
template <class T> struct View {
  const T* data = nullptr;
  Index rows = 0, columns = 0, stride = 0;
};

/// Samples in the caller's memory; their targets are labels or values.
template <class T> struct Data {
  View<T> x;
  const Labels* labels = nullptr;
  View<T> values;
};

/// Where a parameter lies.
template <class T> struct Parameter {
  T* data = nullptr;
  Index rows = 1, columns = 0;
};

template <class T> class Engine {
 public:
  Engine(const std::vector<Spec>& layers, Index inputs, const Spec& loss, std::uint64_t seed,
         const Normalize& normalize);
  explicit Engine(const std::string& path);
  Engine(const Engine& other);
  Engine& operator=(const Engine&) = delete;
  ~Engine();

  Index inputs() const;
  Index outputs() const;
  Index output_rows(Index rows, const Sequences& sequences) const;
  std::vector<std::string> parameter_names(bool trained_alone) const;
  Parameter<T> parameter(const std::string& name);
  const std::vector<T>& input_mean() const;
  const std::vector<T>& input_scale() const;
  void set_normalization(std::vector<T> mean, std::vector<T> scale);
  History fit(const Data<T>& train, const Data<T>* validation, const FitOptions& options);
  void infer(const View<T>& x, bool link, const Sequences& sequences, Index threads, T* out) const;
  double evaluate(const Data<T>& data, const LossOptions& options) const;
  /// `gradients`: of all trained parameters, in the order of `parameter_names(true)`.
  double loss_and_gradients(const Data<T>& data, const LossOptions& options, T* gradients) const;
  void step(const View<T>& x, T* out);
  void reset_state();
  void save(const std::string& path) const;
  std::map<std::string, std::string>& metadata() const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

extern template class Engine<float>;
extern template class Engine<double>;

template <class T> View<T> view_of(const MatrixRef<T>& m) { return {m.data(), m.rows(), m.cols(), m.outerStride()}; }
template <class T> Data<T> data_of(const MatrixRef<T>& x, const Labels& y) { return {view_of<T>(x), &y, {}}; }
template <class T> Data<T> data_of(const MatrixRef<T>& x, const MatrixRef<T>& y) {
  return {view_of<T>(x), nullptr, view_of<T>(y)};
}

}  // namespace detail

/// A network: a list of layers and a loss. T is float or double.
///
/// Predictions and losses may be taken on several threads at once; fits, and changes of weights, need it alone.
template <class T> class Network {
  static_assert(std::is_same_v<T, float> || std::is_same_v<T, double>, "a network is of float or double");

 public:
  using Ref = MatrixRef<T>;

  /// `layers` such as {dense(64, "relu"), dense(10)}; the last one gives raw outputs (logits). `inputs` is the number
  /// of features. The seed decides initial weights, shuffling, splits and dropout. `normalize` is true for inputs of
  /// zero mean and unit variance, or "robust", ...
  Network(const std::vector<Spec>& layers, Index inputs, const Spec& loss = "squared_error", std::uint64_t seed = 0,
          const Normalize& normalize = {})
      : engine_(std::make_unique<Engine>(layers, inputs, loss, seed, normalize)) {}
  /// The network in a model file, of C++ or of Python's `Network.save`. Throws std::invalid_argument, which names the
  /// file, where it is cut short, altered, of another precision or of another kind (a cascade, an ensemble, a table's
  /// estimator); std::runtime_error where it cannot be read. Nothing is believed of a file before it was checked.
  static Network load(const std::string& path) { return Network(std::make_unique<Engine>(path)); }
  /// Writes a model file, whole or not at all, for `load` and for Python's `lamina.load`; without the optimizer's
  /// memory. Throws std::runtime_error where it cannot be written, std::invalid_argument for weights that are not
  /// finite.
  void save(const std::string& path) const { engine_->save(path); }
  /// What a program wants to keep with the model: texts by name, saved and loaded with it.
  std::map<std::string, std::string>& metadata() { return engine_->metadata(); }
  const std::map<std::string, std::string>& metadata() const { return engine_->metadata(); }
  /// Copies are deep: weights and the optimizer's memory included.
  Network(const Network& other) : engine_(std::make_unique<Engine>(*other.engine_)) {}
  Network& operator=(const Network& other) {
    engine_ = std::make_unique<Engine>(*other.engine_);
    return *this;
  }
  Network(Network&&) noexcept = default;
  Network& operator=(Network&&) noexcept = default;

  Index inputs() const { return engine_->inputs(); }
  Index outputs() const { return engine_->outputs(); }

  /// "0.weight", "0.bias", ...: the number is the layer's position in the list. Batch norm's running values are here
  /// too.
  std::vector<std::string> parameter_names() const { return engine_->parameter_names(false); }
  /// Weights in and out, without a copy: (fan_in, fan_out), or (1, units) for biases and the like. Valid as long as the
  /// network. Throws std::invalid_argument for a name there is not.
  Eigen::Map<Matrix<T>> parameter(const std::string& name) {
    const detail::Parameter<T> p = engine_->parameter(name);
    return {p.data, p.rows, p.columns};
  }
  Eigen::Map<const Matrix<T>> parameter(const std::string& name) const {
    const detail::Parameter<T> p = engine_->parameter(name);
    return {p.data, p.rows, p.columns};
  }

  /// Mean and 1 / standard deviation by input, (1, inputs); empty where inputs are taken as they are.
  Matrix<T> input_mean() const { return row_of(engine_->input_mean()); }
  Matrix<T> input_scale() const { return row_of(engine_->input_scale()); }
  /// Inputs become (x - mean) * scale before the first layer, and are clipped as before where they are "robust"; two
  /// empty matrices take that away.
  void set_normalization(const Ref& mean, const Ref& scale) {
    engine_->set_normalization(list_of(mean, "mean"), list_of(scale, "scale"));
  }

  /// Trains on X (samples, inputs) and labels, one a sample, or Y (samples, outputs); by default with early stopping on
  /// a tenth of the samples set aside.
  History fit(const Ref& X, const Labels& y, const FitOptions& options = {}) {
    return engine_->fit(detail::data_of<T>(X, y), nullptr, options);
  }
  History fit(const Ref& X, const Ref& Y, const FitOptions& options = {}) {
    return engine_->fit(detail::data_of<T>(X, Y), nullptr, options);
  }
  /// The same with a validation set of your own.
  History fit(const Ref& X, const Labels& y, const Ref& X_held, const Labels& y_held, const FitOptions& options = {}) {
    const detail::Data<T> held = detail::data_of<T>(X_held, y_held);
    return engine_->fit(detail::data_of<T>(X, y), &held, options);
  }
  History fit(const Ref& X, const Ref& Y, const Ref& X_held, const Ref& Y_held, const FitOptions& options = {}) {
    const detail::Data<T> held = detail::data_of<T>(X_held, Y_held);
    return engine_->fit(detail::data_of<T>(X, Y), &held, options);
  }

  /// (samples, outputs): probabilities for the classification losses, rates for poisson, else values. A row's bits do
  /// not depend on the rows beside it, nor on the threads. Where every step has outputs, (samples * steps, outputs).
  Matrix<T> predict(const Ref& X, const Sequences& sequences = {}, Index threads = 0) const {
    return infer(X, true, sequences, threads);
  }
  /// The raw outputs of the last layer (logits), shaped as those of `predict`.
  Matrix<T> forward(const Ref& X, const Sequences& sequences = {}, Index threads = 0) const {
    return infer(X, false, sequences, threads);
  }
  /// The prediction for the next step of a sequence, x (1, inputs), or of several, (sequences, inputs): the recurrent
  /// layers carry what they remember from one call to the next, until `reset_state`.
  Matrix<T> step(const Ref& x) {
    Matrix<T> out(x.rows(), outputs());
    engine_->step(detail::view_of<T>(x), out.data());
    return out;
  }
  void reset_state() { engine_->reset_state(); }

  /// The mean loss on these samples, without penalty.
  double evaluate(const Ref& X, const Labels& y, const LossOptions& options = {}) const {
    return engine_->evaluate(detail::data_of<T>(X, y), options);
  }
  double evaluate(const Ref& X, const Ref& Y, const LossOptions& options = {}) const {
    return engine_->evaluate(detail::data_of<T>(X, Y), options);
  }
  /// The loss of all samples as one batch, and its gradient by every trained parameter; nothing in the network changes.
  LossAndGradients<T> loss_and_gradients(const Ref& X, const Labels& y, const LossOptions& options = {}) const {
    return gradients_of(detail::data_of<T>(X, y), options);
  }
  LossAndGradients<T> loss_and_gradients(const Ref& X, const Ref& Y, const LossOptions& options = {}) const {
    return gradients_of(detail::data_of<T>(X, Y), options);
  }

 private:
  using Engine = detail::Engine<T>;

  explicit Network(std::unique_ptr<Engine> engine) : engine_(std::move(engine)) {}

  Matrix<T> infer(const Ref& X, bool link, const Sequences& sequences, Index threads) const {
    Matrix<T> out(engine_->output_rows(X.rows(), sequences), outputs());
    engine_->infer(detail::view_of<T>(X), link, sequences, threads, out.data());
    return out;
  }
  LossAndGradients<T> gradients_of(const detail::Data<T>& data, const LossOptions& options) const {
    const std::vector<std::string> trained = engine_->parameter_names(true);
    Index size = 0;
    for (const std::string& name : trained) size += parameter(name).size();
    std::vector<T> flat(static_cast<std::size_t>(size));
    LossAndGradients<T> out;
    out.loss = engine_->loss_and_gradients(data, options, flat.data());
    const T* at = flat.data();
    for (const std::string& name : trained) {
      const auto shape = parameter(name);
      out.gradients[name] = Eigen::Map<const Matrix<T>>(at, shape.rows(), shape.cols());
      at += shape.size();
    }
    return out;
  }
  static Matrix<T> row_of(const std::vector<T>& v) {
    return Eigen::Map<const Matrix<T>>(v.data(), v.empty() ? 0 : 1, static_cast<Index>(v.size()));
  }
  static std::vector<T> list_of(const Ref& m, const std::string& name) {
    if (m.rows() > 1 && m.cols() > 1)
      throw std::invalid_argument(name + " must be one row; got (" + std::to_string(m.rows()) + ", " +
                                  std::to_string(m.cols()) + ")");
    std::vector<T> out;
    for (Index i = 0; i < m.rows(); ++i) {
      for (Index j = 0; j < m.cols(); ++j) out.push_back(m(i, j));
    }
    return out;
  }

  std::unique_ptr<Engine> engine_;
};

}  // namespace api

#ifndef LAMINA_API_ALONE  // inside the library, `lamina` is the core's
using namespace api;
#endif

}  // namespace lamina
