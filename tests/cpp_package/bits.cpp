/// Fits of test_cpp_package.py, which has the same in Python: prints, in hexadecimal, what each ends with.
#include <cstdio>
#include <cstring>
#include <lamina/lamina.hpp>
#include <string>

namespace {

using lamina::batch_norm;
using lamina::dense;
using lamina::dropout;
using lamina::FitOptions;
using lamina::Index;
using lamina::Matrix;
using lamina::Network;
using lamina::recurrent;
using lamina::Spec;

template <class T> constexpr const char* type = sizeof(T) == 4 ? "float32" : "float64";

template <class T> Matrix<T> numbers(Index rows, Index columns) {
  Matrix<T> m(rows, columns);
  for (Index i = 0; i < rows; ++i) {
    for (Index j = 0; j < columns; ++j) m(i, j) = static_cast<T>((i * 7919 + j * 104729 + i * j * 31) % 1009) / T(1009);
  }
  return m;
}

lamina::Labels labels(Index rows) {
  lamina::Labels y;
  for (Index i = 0; i < rows; ++i) y.push_back(static_cast<int>(i * i % 7 % 3));
  return y;
}

template <class T> void print(const std::string& name, const T* values, Index count) {
  std::printf("%s ", name.c_str());
  for (Index i = 0; i < count; ++i) {
    unsigned char bytes[sizeof(T)];
    std::memcpy(bytes, values + i, sizeof(T));
    for (const unsigned char byte : bytes) std::printf("%02x", byte);
  }
  std::printf("\n");
}

template <class T> void report(const std::string& name, const Network<T>& net, const lamina::History& history) {
  const std::string prefix = name + " " + type<T> + " ";
  for (const std::string& parameter : net.parameter_names()) {
    const auto map = net.parameter(parameter);
    print(prefix + parameter, map.data(), map.size());
  }
  print(prefix + "loss", history.loss.data(), static_cast<Index>(history.loss.size()));
  print(prefix + "validation_loss", history.validation_loss.data(), static_cast<Index>(history.validation_loss.size()));
}

template <class T> void defaults() {
  Network<T> net({dense(8, "relu"), dense(3)}, 5, "cross_entropy", (std::uint64_t{1} << 40) + 7);
  const lamina::History history = net.fit(numbers<T>(211, 5), labels(211));
  report("defaults", net, history);
  const Matrix<T> p = net.predict(numbers<T>(50, 5));
  print(std::string("defaults ") + type<T> + " predict", p.data(), p.size());
}

template <class T> void regularised() {
  Network<T> net({dense(16, Spec("elu", {{"alpha", 0.7}})), dropout(0.2), batch_norm(), dense(3)}, 5,
                 Spec("cross_entropy", {{"label_smoothing", 0.1}}), 3, true);
  FitOptions options;
  options.epochs = 12;
  options.batch_size = 20;
  options.optimizer = {"AdamW", {{"lr", 0.01}, {"weight_decay", 0.02}}};
  options.schedule = Spec("Warmup", {{"epochs", 2}, {"then", "Cosine"}});
  options.l2 = 1e-3;
  options.clip = Spec("AGC", {{"clipping", 0.05}});
  options.validation->fraction = 0.25;
  report("regularised", net, net.fit(numbers<T>(211, 5), labels(211), options));
}

template <class T> void weighted() {
  Network<T> net({dense(6, "tanh"), dense(2)}, 5, Spec("huber", {{"delta", 0.5}}), 4);
  FitOptions options;
  options.epochs = 10;
  options.optimizer = {"SGD", {{"lr", 0.05}, {"momentum", 0.9}, {"nesterov", true}}};
  options.sam_rho = 0.05;
  options.l1 = 1e-4;
  options.early_stopping->patience = 2;
  for (Index i = 0; i < 120; ++i) options.sample_weight.push_back(static_cast<double>(i % 4) + 0.1);
  const Matrix<T> x = numbers<T>(150, 5), y = numbers<T>(150, 2);
  lamina::History history = net.fit(x.topRows(120), y.topRows(120), x.bottomRows(30), y.bottomRows(30), options);
  report("weighted", net, history);
  options.resume = true;
  history = net.fit(x.topRows(120), y.topRows(120), x.bottomRows(30), y.bottomRows(30), options);
  report("resumed", net, history);
}

template <class T> void full_batch() {
  Network<T> net({dense(5, "tanh"), dense(1)}, 5);
  FitOptions options;
  options.epochs = 15;
  options.optimizer = "LBFGS";
  options.validation->fraction = 0.2;
  options.validation->shuffle = false;
  report("full_batch", net, net.fit(numbers<T>(80, 5), numbers<T>(80, 1), options));
}

template <class T> void sequences() {
  Network<T> net({recurrent(6), dense(1)}, 2, "squared_error", 9, true);
  FitOptions options;
  options.epochs = 8;
  options.optimizer = {"RMSprop", {{"lr", 0.01}}};
  options.clip = "ClipNorm";
  options.sequences.steps = 7;
  for (int i = 0; i < 40; ++i) options.sequences.lengths.push_back(1 + i * i % 7);
  report("sequences", net, net.fit(numbers<T>(280, 2), numbers<T>(40, 1), options));
}

template <class T> void all() {
  defaults<T>();
  regularised<T>();
  weighted<T>();
  full_batch<T>();
  sequences<T>();
}

}  // namespace

int main() {
  all<float>();
  all<double>();
}
