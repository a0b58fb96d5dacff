/// The public face, as a program sees it: what it computes, what it gives and takes by name, and what it says of bad
/// input.
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <functional>
#include <initializer_list>
#include <iterator>
#include <stdexcept>
#include <string>
#include <type_traits>

#include "lamina/lamina.hpp"

#if defined(__unix__) || defined(__APPLE__)
#include <sys/stat.h>
#endif

namespace {

using lamina::dense;
using lamina::Index;
using lamina::Spec;

int failures = 0;

void check(bool ok, const std::string& what) {
  if (ok) return;
  std::printf("FAILED: %s\n", what.c_str());
  ++failures;
}

/// `f` must be refused with a message that has all of `words` in it.
void refused(const std::function<void()>& f, std::initializer_list<const char*> words) {
  try {
    f();
  } catch (const std::invalid_argument& e) {
    for (const char* word : words)
      check(std::string(e.what()).find(word) != std::string::npos, std::string("'") + word + "' in: " + e.what());
    return;
  }
  check(false, std::string("not refused: ") + *words.begin());
}

/// Numbers in [0, 1) that look random.
template <class T> lamina::Matrix<T> numbers(Index rows, Index columns) {
  lamina::Matrix<T> m(rows, columns);
  for (Index i = 0; i < rows; ++i) {
    for (Index j = 0; j < columns; ++j) m(i, j) = static_cast<T>((i * 7919 + j * 104729 + i * j * 31) % 1009) / T(1009);
  }
  return m;
}

/// The class of a row: whether its first number is the largest of the first three, or which is.
template <class T> lamina::Labels classes(const lamina::Matrix<T>& x) {
  lamina::Labels labels;
  for (Index i = 0; i < x.rows(); ++i) {
    Index best = 0;
    x.row(i).head(3).maxCoeff(&best);
    labels.push_back(static_cast<int>(best));
  }
  return labels;
}

template <class T> bool same(const lamina::Matrix<T>& a, const lamina::Matrix<T>& b) {
  return a.rows() == b.rows() && a.cols() == b.cols() && (a.array() == b.array()).all();
}

template <class T> lamina::Network<T> small(std::uint64_t seed = 1) {
  return {{dense(8, "tanh"), dense(3)}, 4, "cross_entropy", seed, true};
}

template <class T> void learns() {
  const lamina::Matrix<T> x = numbers<T>(200, 4);
  const lamina::Labels y = classes(x);
  lamina::Network<T> net = small<T>();
  const double before = net.evaluate(x, y);
  lamina::FitOptions options;
  options.optimizer = {"Adam", {{"lr", 0.02}}};
  Index epochs = 0;
  options.on_epoch = [&](lamina::Epoch& epoch) { epochs = epoch.epoch; };
  const lamina::History history = net.fit(x, y, options);
  check(net.evaluate(x, y) < before / 2, "the loss falls");
  check(static_cast<Index>(history.loss.size()) == epochs && history.validation_loss.size() == history.loss.size(),
        "an entry an epoch");
  check(history.best_epoch >= 1 && !history.diverged && !history.stop_reason.empty(), "the history says how it went");
  check(net.input_mean().cols() == 4 && net.input_scale().minCoeff() > 0, "inputs are normalised");
  const lamina::Matrix<T> p = net.predict(x);
  check(p.rows() == 200 && p.cols() == 3 && (p.rowwise().sum().array() - 1).abs().maxCoeff() < 1e-5, "probabilities");
  check(same<T>(net.predict(x.middleRows(17, 5)), p.middleRows(17, 5)), "a row's bits are its own");

  // Any Eigen type will do, and gives the same bits.
  const Eigen::Matrix<T, Eigen::Dynamic, Eigen::Dynamic> by_columns = x;
  lamina::Matrix<T> wide(200, 9);
  wide.middleCols(2, 4) = x;
  check(same<T>(net.predict(by_columns), p) && same<T>(net.predict(wide.middleCols(2, 4)), p),
        "blocks and column-major");
  lamina::Network<T> other = small<T>();
  options.on_epoch = nullptr;
  options.threads = 3;
  const lamina::History again = other.fit(wide.middleCols(2, 4), y, options);
  check(again.loss == history.loss && same<T>(other.predict(x), p), "same seed, same bits");
}

/// Labels of a binary loss: of one output, and of one output a class.
void two_classes() {
  const lamina::Matrix<double> x = numbers<double>(60, 4);
  lamina::Labels y;
  for (Index i = 0; i < 60; ++i) y.push_back(x(i, 0) > x(i, 1));
  lamina::Matrix<double> values(60, 1), rows(60, 2);
  for (Index i = 0; i < 60; ++i) {
    const int label = y[static_cast<std::size_t>(i)];
    values(i, 0) = label;
    rows.row(i) << 1 - label, label;
  }
  const lamina::Network<double> one({dense(1)}, 4, "BCE"), two({dense(2)}, 4, "binary_cross_entropy");
  check(one.evaluate(x, y) == one.evaluate(x, values), "0 or 1");
  check(two.evaluate(x, y) == two.evaluate(x, rows), "the output that is 1");
  refused([&] { one.evaluate(x, lamina::Labels(60, 2)); }, {"y", "0 .. 1", "got 2"});
  const lamina::Network<double> real({dense(1)}, 4);
  refused([&] { real.evaluate(x, y); }, {"y", "values", "squared_error"});
}

template <class T> void weights_go_in_and_out() {
  lamina::Network<T> net({dense(5, "relu"), "BatchNorm", lamina::dropout(0.5), dense(2)}, 3);
  const std::vector<std::string> names = net.parameter_names();
  check(names.size() == 8 && names[0] == "0.weight" && names[1] == "0.bias", "names");
  check(net.parameter("0.weight").rows() == 3 && net.parameter("0.weight").cols() == 5, "(fan_in, fan_out)");
  check(net.parameter("3.bias").rows() == 1 && net.parameter("3.bias").cols() == 2, "(1, units)");
  const lamina::Matrix<T> x = numbers<T>(6, 3), before = net.predict(x);
  const lamina::Network<T> kept = net;
  net.parameter("3.bias").array() += 1;  // no copy
  check((net.predict(x) - before).isApproxToConstant(1, T(1e-5)), "the network reads what was written");
  check(same<T>(kept.predict(x), before), "a copy is deep");
  lamina::Network<T> other({dense(5, "relu"), "BatchNorm", lamina::dropout(0.5), dense(2)}, 3, "squared_error", 99);
  for (const std::string& name : names) other.parameter(name) = kept.parameter(name);
  check(same<T>(other.predict(x), before), "a round trip by name");

  lamina::LossOptions options;
  options.l2 = 0.1;
  options.training = false;
  const lamina::Matrix<T> y = numbers<T>(6, 2);
  const auto [loss, gradients] = kept.loss_and_gradients(x, y, options);
  check(gradients.size() == 6 && gradients.at("0.weight").cols() == 5, "a gradient for every trained parameter");
  lamina::Matrix<T> wide(6, 5);
  wide.middleCols(1, 3) = x;
  const auto strided = kept.loss_and_gradients(wide.middleCols(1, 3), y, options);
  check(strided.loss == loss && same<T>(strided.gradients.at("0.weight"), gradients.at("0.weight")),
        "gradients with rows further apart");
  const T step = std::is_same_v<T, float> ? T(1e-2) : T(1e-5);
  other.parameter("3.weight")(1, 1) += step;
  const double moved = (other.loss_and_gradients(x, y, options).loss - loss) / static_cast<double>(step);
  check(std::abs(moved - static_cast<double>(gradients.at("3.weight")(1, 1))) < 1e-2, "the slope of the loss");
}

/// Parameters that are several numbers.
void columns_are_named() {
  const std::vector<int> columns{2, 0}, categories{3, 12};
  const Spec embedding("Embedding", {{"columns", columns}, {"categories", categories}, {"one_hot", 3}});
  lamina::Network<float> net({embedding, Spec("NumericEmbedding", {{"kind", "linear"}}), dense(1)}, 4);
  check(net.parameter("0.weight").rows() == 12 && net.parameter("0.weight").cols() == 8, "a row for each category");
  const Spec twice("Embedding", {{"columns", std::vector<Index>{1, 1}}, {"categories", categories}});
  refused([&] { lamina::Network<float>({twice}, 4); }, {"columns of Embedding", "distinct", "1"});
  const Spec one("Embedding", {{"columns", 1}, {"categories", categories}});
  refused([&] { lamina::Network<float>({one}, 4); }, {"columns of Embedding", "a list of whole numbers"});
}

void registries_are_reached() {
  const lamina::Matrix<double> x = numbers<double>(40, 4);
  const lamina::Matrix<double> y = x.leftCols(2);
  lamina::Matrix<double> wide = numbers<double>(40, 7);
  wide.middleCols(1, 4) = x;
  lamina::FitOptions options;
  options.epochs = 2;
  for (const std::string& name : lamina::names("activation")) {
    lamina::Network<double> net({dense(3, name), dense(2)}, 4);
    check(!net.fit(x, y, options).diverged, name);
  }
  for (const char* kind : {"optimizer", "solver"}) {
    for (const std::string& name : lamina::names(kind)) {
      options.optimizer = name;
      lamina::Network<double> net({dense(3, "tanh"), dense(2)}, 4), other = net;
      check(!net.fit(x, y, options).diverged, name);
      other.fit(wide.middleCols(1, 4), wide.middleCols(1, 2), options);
      check(same<double>(net.predict(x), other.predict(x)), name + " with rows further apart");
      // Where nothing is set aside or shuffled, rows are read where they are.
      lamina::FitOptions all = options;
      all.validation = std::nullopt;
      all.shuffle = false;
      net.fit(x, y, all);
      other.fit(wide.middleCols(1, 4), wide.middleCols(1, 2), all);
      check(same<double>(net.predict(x), other.predict(x)), name + " with rows further apart, read in place");
    }
  }
  options.optimizer = {"AdamW", {{"lr", 0.01}, {"weight_decay", 0}}};
  options.clip = Spec("AGC", {{"clipping", 0.1}});
  options.sam_rho = 0.05;
  for (const std::string& name : lamina::names("schedule")) {
    if (name == "Warmup") continue;  // needs its epochs
    options.schedule = name;
    lamina::Network<double> net({dense(3, Spec("elu", {{"alpha", 0.5}})), dense(2)}, 4, Spec("huber", {{"delta", 2}}));
    check(!net.fit(x, y, options).diverged, name);
  }
  options.optimizer = "SGD";
  options.sam_rho = 0;
  for (const Spec& schedule : {Spec("Warmup", {{"epochs", 1}, {"then", "Cosine"}}), Spec("ReduceOnPlateau"),
                               Spec("Warmup", {{"epochs", 1}, {"then", Spec("Step", {{"step_size", 1}})}})}) {
    options.schedule = schedule;
    lamina::Network<double> net({dense(2)}, 4);
    check(!net.fit(x, y, options).diverged, schedule.name);
  }
  for (const std::string& name : lamina::names("initializer")) {
    const lamina::Network<double> net({Spec("Dense", {{"units", 2}, {"initializer", name}, {"use_bias", false}})}, 4);
    check(net.parameter_names().size() == 1, name);
  }
  check(lamina::names("layer").size() >= 6 && lamina::names("loss").size() >= 8, "the registries have their entries");
}

void sequences_are_taken() {
  const lamina::Matrix<float> x = numbers<float>(60, 2);  // 12 sequences of 5 steps
  lamina::Network<float> net({lamina::recurrent(6), dense(1)}, 2);
  lamina::FitOptions options;
  options.epochs = 3;
  options.sequences = {5, {5, 4, 3, 2, 1, 5, 4, 3, 2, 1, 5, 5}};
  const Eigen::VectorXf y = numbers<float>(12, 1).col(0);
  lamina::Network<float> other = net;
  net.fit(x, y, options);
  const lamina::Matrix<float> all = net.predict(x, {5, {}});
  lamina::Matrix<float> wide = numbers<float>(60, 5);
  wide.middleCols(3, 2) = x;
  other.fit(wide.middleCols(3, 2), y, options);
  check(same<float>(other.predict(wide.middleCols(3, 2), {5, {}}), all), "sequences with rows further apart");
  check(all.rows() == 12 && all.cols() == 1, "an output a sequence");
  lamina::Matrix<float> last(1, 1);
  for (Index t = 0; t < 5; ++t) last = net.step(x.row(10 * 5 + t));
  check(last(0, 0) == all(10, 0), "step by step, the same bits");
  const lamina::Network<float> every({lamina::recurrent(6, true), dense(3)}, 2);
  check(every.predict(x, {5, {}}).rows() == 60, "an output a step");
  refused([&] { net.predict(x); }, {"steps", "recurrent"});
  refused([&] { net.predict(x, {5, {6}}); }, {"lengths"});
}

void parts_are_set_aside() {
  const lamina::Labels labels{0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1};
  const auto parts = lamina::split(12, {0.75, 0.25}, labels);
  check(parts.size() == 2 && parts[0].size() == 9 && parts[1].size() == 3, "sizes");
  Index ones = 0;
  for (const Index row : parts[1]) ones += labels[static_cast<std::size_t>(row)];
  check(ones == 2, "the classes' shares");
  const auto in_order = lamina::split(10, {0.5, 0.5}, {}, false);
  check(in_order[1].front() == 5 && in_order[1].back() == 9, "in order");
  refused([] { lamina::split(10, {0.5, 0.6}); }, {"fractions", "1.1"});
  refused([] { lamina::split(1, {0.5, 0.5}); }, {"rows", "2"});
  bool short_of_memory = false;
  try {
    lamina::split(std::numeric_limits<Index>::max(), {0.5, 0.5});
  } catch (const std::bad_alloc&) {
    short_of_memory = true;
  }
  check(short_of_memory, "more rows than any memory holds");
}

void bad_input_is_named() {
  using Net = lamina::Network<float>;
  refused([] { Net({"Dens"}, 3); }, {"layers[0]", "Dens", "Dense"});
  refused([] { Net({"Dense"}, 3); }, {"units of Dense"});
  refused([] { Net({dense(0)}, 3); }, {"units of Dense", "at least 1", "got 0"});
  refused([] { Net({dense(2, "rleu")}, 3); }, {"activation", "rleu", "relu"});
  refused([] { Net({Spec("Dense", {{"units", 2}, {"activatoin", "relu"}})}, 3); }, {"activatoin", "'activation'"});
  refused([] { Net({Spec("Dense", {{"units", 2.5}})}, 3); }, {"units of Dense", "whole number"});
  refused([] { Spec("Dense", {{"units", std::numeric_limits<std::size_t>::max()}}); }, {"at most 9223372036854775807"});
  refused([] { Spec("Embedding", {{"columns", std::vector<std::size_t>{1, std::size_t{1} << 63}}}); }, {"at most"});
  refused([] { Net({Spec("Dense", {{"units", 2}, {"use_bias", 1}})}, 3); }, {"use_bias of Dense", "true or false"});
  refused([] { Net({dense(2)}, 3, "huber_loss"); }, {"huber_loss", "huber"});
  refused([] { Net({dense(2)}, 0); }, {"n_inputs"});
  refused([] { Net({}, 3); }, {"layers"});
  refused([] { lamina::names("color"); }, {"color", "activation"});

  Net net({dense(4, "relu"), dense(3)}, 4, "cross_entropy");
  const lamina::Matrix<float> x = numbers<float>(20, 4);
  const lamina::Matrix<float> before = net.predict(x);
  const lamina::Labels y = classes(x);
  lamina::Matrix<float> broken = x;
  broken(7, 2) = std::numeric_limits<float>::quiet_NaN();
  refused([&] { net.fit(broken, y); }, {"X", "NaN", "row 7", "column 2"});
  refused([&] { net.predict(broken); }, {"X", "NaN"});
  refused([&] { net.predict(x.leftCols(3)); }, {"X", "4 columns", "got 3"});
  refused([&] { net.predict(x.topRows(0)); }, {"X", "at least one row"});
  refused([&] { net.predict(x, {}, -1); }, {"threads"});
  refused([&] { net.fit(x, {0, 1, 2}); }, {"y", "20", "got 3"});
  lamina::Labels wrong = y;
  wrong[3] = 3;
  refused([&] { net.fit(x, wrong); }, {"y", "0 .. 2", "got 3"});
  refused([&] { net.fit(x, lamina::Labels(20, 1)); }, {"y", "at least 2 classes"});
  refused([&] { net.fit(x, x); }, {"y", "(20, 3)", "(20, 4)"});
  refused([&] { net.fit(x, lamina::Matrix<float>(x.leftCols(3))); }, {"y", "sum to 1"});
  refused([&] { net.fit(x, y, x.topRows(5), lamina::Labels(4, 0)); }, {"validation y", "5", "got 4"});
  const auto with = [&](auto&& set) {
    lamina::FitOptions options;
    set(options);
    return [&net, &x, &y, options] { net.fit(x, y, options); };
  };
  refused(with([](auto& o) { o.optimizer = "Adma"; }), {"optimizer", "Adma", "Adam"});
  refused(with([](auto& o) { o.optimizer = "LBFG"; }), {"optimizer", "LBFG", "LBFGS"});
  refused(with([](auto& o) { o.optimizer = Spec("Adam", {{"lr", -1}}); }), {"lr of Adam", "greater than 0", "-1"});
  refused(with([](auto& o) { o.clip = "ACG"; }), {"clipping", "AGC"});
  refused(with([](auto& o) { o.schedule = "Cosin"; }), {"schedule", "Cosine"});
  refused(with([](auto& o) { o.epochs = 0; }), {"epochs"});
  refused(with([](auto& o) { o.batch_size = 0; }), {"batch_size"});
  refused(with([](auto& o) { o.l2 = -1; }), {"l2"});
  refused(with([](auto& o) { o.validation->fraction = 1; }), {"validation", "less than 1"});
  refused(with([](auto& o) { o.sample_weight = {1, 2}; }), {"sample_weight", "20", "got 2"});
  refused(with([](auto& o) { o.sample_weight.assign(20, 0.0); }), {"sample_weight", "zero"});
  refused(with([](auto& o) { (o.sample_weight.assign(20, 1.0), o.sample_weight[4] = 1e39); }),
          {"sample_weight", "range", "1e+39", "sample 4"});
  refused(with([](auto& o) { o.validation_sample_weight = {1}; }), {"validation_sample_weight"});
  refused(with([](auto& o) { o.sequences.steps = 2; }), {"sequences", "Recurrent"});
  refused(with([](auto& o) { o.threads = -2; }), {"threads"});
  refused([&] { net.parameter("0.wieght"); }, {"0.wieght", "0.weight"});
  refused([&] { net.predict(x, {-3, {}}); }, {"sequences", "Recurrent"});
  refused([&] { net.set_normalization(x.row(0), x.row(1).head(2)); }, {"input_normalization"});
  refused([&] { net.set_normalization(x.topLeftCorner(2, 2), x.row(1)); }, {"mean", "one row", "(2, 2)"});
  refused([&] { net.step(x.row(0)); }, {"step", "Recurrent"});
  check(same<float>(net.predict(x), before), "what was refused has changed nothing");

  refused(with([](auto& o) { o.on_epoch = [](lamina::Epoch& epoch) { epoch.learning_rate = -1; }; }),
          {"learning_rate", "greater than 0", "-1"});
  lamina::FitOptions options;
  options.on_epoch = [](lamina::Epoch& epoch) { epoch.stop_reason = "enough"; };
  const lamina::History history = net.fit(x, y, options);
  check(history.loss.size() == 1 && history.stop_reason == "enough", "a hook stops the fit and says why");
  options.on_epoch = [](lamina::Epoch& epoch) {
    if (epoch.epoch == 2) throw std::runtime_error("enough");
  };
  bool thrown = false;
  try {
    net.fit(x, y, options);
  } catch (const std::runtime_error& e) {
    thrown = std::string(e.what()) == "enough";
  }
  check(thrown, "what a hook throws comes out");
}

/// A model file gives back the network, whatever it is made of, and refuses what is no model.
template <class T> void model_files() {
  const std::string path = std::string("test_face_") + (sizeof(T) == 4 ? "float" : "double") + ".lamina";
  lamina::Network<T> net(
      {Spec("Embedding", {{"columns", std::vector<int>{2}}, {"categories", std::vector<int>{5}}}),
       Spec("NumericEmbedding", {{"columns", std::vector<int>{0}}, {"kind", "piecewise_linear"}}),
       dense(6, Spec("elu", {{"alpha", 0.3}})), lamina::batch_norm(), lamina::dropout(0.25), dense(2)},
      3, Spec("huber", {{"delta", 1e-5}}), (std::uint64_t{1} << 63) + 1, {"robust", true});
  lamina::Matrix<T> X = numbers<T>(40, 3);
  X.col(2) = (X.col(2) * 5).array().floor().matrix();
  lamina::FitOptions options;
  options.epochs = 3;
  net.fit(X, numbers<T>(40, 2) * 100, options);
  net.metadata()["note"] = "\"quoted\" \n caf\u00e9 \x7f";
  net.save(path);
  lamina::Network<T> back = lamina::Network<T>::load(path);
  check(back.predict(X) == net.predict(X), "a loaded network predicts the same bits");
  check(back.metadata() == net.metadata(), "metadata are kept");
  back.save(path);
  check(lamina::Network<T>::load(path).predict(X) == net.predict(X), "saved twice");
  back.set_normalization(back.input_mean(), back.input_scale());
  check(back.predict(X * 100) == net.predict(X * 100), "a robust normalisation that is set stays robust");
  using Other = lamina::Network<std::conditional_t<sizeof(T) == 4, double, float>>;
  refused([&] { Other::load(path); }, {"test_face_", sizeof(T) == 4 ? "float32" : "float64", "Network<"});

  std::string data;
  {
    std::ifstream file(path, std::ios::binary);
    data.assign(std::istreambuf_iterator<char>(file), {});
  }
  const auto write = [&](const std::string& text) { std::ofstream(path, std::ios::binary) << text; };
  for (std::size_t i = 0; i < data.size(); i += 97) {
    std::string altered = data;
    altered[i] = static_cast<char>(altered[i] ^ 0x21);
    write(altered);
    refused([&] { lamina::Network<T>::load(path); }, {"cannot be loaded"});
    write(data.substr(0, i));
    refused([&] { lamina::Network<T>::load(path); }, {"cannot be loaded"});
  }
  std::remove(path.c_str());
  try {
    lamina::Network<T>::load(path);
    check(false, "a missing file is not refused");
  } catch (const std::runtime_error& e) {
    check(std::string(e.what()).find(path) != std::string::npos, "the missing file is named");
  }
}

/// A description that asks for what the file does not hold is refused before any of it is taken.
void files_claim_nothing() {
  const std::string path = "test_face_claims.lamina";
  const auto claims = [&](const std::string& inputs, const std::string& seed, const std::string& layer,
                          const std::string& more, std::initializer_list<const char*> wanted) {
    std::string description = R"({"format_version": 1, "user": {}, "checksum": "", "architecture": {"layers": [)" +
                              layer + R"(], "n_inputs": )" + inputs +
                              R"(, "loss": {"name": "squared_error"}, "dtype": "float32", "seed": )" + seed +
                              R"(, "normalize_inputs": false}})";
    std::string header = R"({"__metadata__": {"lamina": ")";
    for (const char c : description) header += (c == '"' ? std::string("\\\"") : std::string(1, c));
    header += "\"}" + more + "}";
    std::string data;
    for (int i = 0; i < 8; ++i) data += static_cast<char>(header.size() >> (8 * i) & 255);
    std::ofstream(path, std::ios::binary) << data << header;
    refused([&] { lamina::Network<float>::load(path); }, wanted);
  };
  const std::string dropout = R"({"layer": "Dropout", "rate": 0.5})", dense1 = R"({"layer": "Dense", "units": 1})";
  claims("2147483647", "0", dropout, "", {"larger network than it holds"});
  claims("1e300", "0", dropout, "", {"n_inputs", "whole number"});
  claims("2.0", "0", dropout, "", {"n_inputs", "whole number"});
  claims("18446744073709551615", "0", dropout, "", {"n_inputs", "whole number"});
  claims("2", "-1", dropout, "", {"seed", "whole number"});
  claims("2", "0", R"({"layer": "Dense", "units": 9223372036854775809})", "", {"units", "whole number"});
  claims("2", "0", dense1, "", {"cut short"});
  std::string members, many = R"({"layer": "Dropout")";
  for (int i = 0; i < 200000; ++i) members += ", \"m" + std::to_string(i) + "\": 1";
  claims("2", "0", dropout, members, {"belong to nothing"});
  for (int i = 0; i < 200000; ++i) many += ", \"m" + std::to_string(i) + "\": 1";
  claims("2", "0", many + "}", "", {"parameter"});
  std::remove(path.c_str());
}

/// Saving keeps what is there, or says why it cannot.
void saving_is_careful() {
  const std::string path = "test_face_saved.lamina";
  lamina::Network<float> net({dense(2)}, 3, "squared_error");
  try {
    lamina::Network<float>::load(".");
    check(false, "a folder is no model");
  } catch (const std::runtime_error& e) {
    check(std::string(e.what()).find("regular file") != std::string::npos, "a folder is named as what it is");
  }
  net.metadata()["note"] = "\xff";
  refused([&] { net.save(path); }, {"metadata", "UTF-8"});
  net.metadata().clear();
#if defined(__unix__) || defined(__APPLE__)
  const mode_t umask_before = ::umask(077);
  net.save(path);
  ::umask(umask_before);
  const auto mode_of = [&] {
    struct stat found{};
    ::stat(path.c_str(), &found);
    return found.st_mode & 0777;
  };
  check(mode_of() == 0600, "a new file has the mode that the umask leaves");
  ::chmod(path.c_str(), 0640);
  net.save(path);
  check(mode_of() == 0640, "a file keeps its mode");
  ::chmod(path.c_str(), 0440);
  bool thrown = false;
  try {
    net.save(path);
  } catch (const std::runtime_error&) {
    thrown = true;
  }
  check(thrown && mode_of() == 0440, "a read-only file stays");
  const std::string longest(255, 'a');
  net.save(longest);
  check(lamina::Network<float>::load(longest).inputs() == 3, "a name may be as long as names may be");
  std::remove(longest.c_str());
  net.save("/dev/null");
  struct stat device{};
  check(::stat("/dev/null", &device) == 0 && S_ISCHR(device.st_mode), "a device stays one");
#endif
  std::remove(path.c_str());
}

/// The options that came with tables do what they say.
void options_of_tables() {
  const lamina::Matrix<float> X = numbers<float>(120, 4);
  lamina::Labels y;
  for (Index i = 0; i < X.rows(); ++i) y.push_back(X(i, 0) > X(i, 1) ? 1 : 0);
  lamina::Network<float> net({dense(8, "relu"), lamina::dropout(0.1), dense(2)}, 4, "cross_entropy");
  lamina::FitOptions options;
  options.epochs = 12;
  options.optimizer = {"AdamW", {{"lr", 0.05}}};
  options.rates = {{"0", 0.0}, {"bias", 0.5}};
  options.decays = {{"bias", 1.0}};
  options.decay_schedule = "FlatCosine";
  options.dropout_schedule = "FlatCosine";
  options.average = 0.9;
  options.metric = "auc";
  options.early_stopping->latest = true;
  const lamina::Matrix<float> before = net.parameter("0.weight");
  double last = -1;
  options.on_epoch = [&](lamina::Epoch& epoch) { last = epoch.score.value_or(-2); };
  const lamina::History history = net.fit(X, y, options);
  check(net.parameter("0.weight") == before, "a rate of 0 freezes");
  check(history.validation_score.size() == history.loss.size(), "a score for every epoch");
  check(!history.validation_score.empty() && history.validation_score.back() == last, "hooks see the score");
  options.metric = "accurracy";
  refused([&] { net.fit(X, y, options); }, {"accurracy", "accuracy"});
  options.metric = "rmse";
  refused([&] { net.fit(X, y, options); }, {"rmse"});
  refused([] { lamina::Network<float>({dense(2)}, 4, "cross_entropy", 0, {"robust", true}); }, {"normalize.targets"});
  refused([] { lamina::Network<float>({dense(2)}, 4, "squared_error", 0, {"robusd"}); },
          {"normalize.inputs", "robusd"});
}

}  // namespace

int main() {
  learns<float>();
  learns<double>();
  two_classes();
  weights_go_in_and_out<float>();
  weights_go_in_and_out<double>();
  columns_are_named();
  registries_are_reached();
  sequences_are_taken();
  parts_are_set_aside();
  bad_input_is_named();
  model_files<float>();
  model_files<double>();
  files_claim_nothing();
  saving_is_careful();
  options_of_tables();
  if (failures == 0) std::printf("the public face: all as promised\n");
  return failures == 0 ? 0 : 1;
}
