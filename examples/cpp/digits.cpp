/// Handwritten digits by a multilayer perceptron: the first example of the README, in C++ and to the same bits.
///
///   python export_digits.py digits.csv && build/digits digits.csv
#include <cstdio>
#include <exception>
#include <fstream>
#include <lamina/lamina.hpp>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

namespace {

constexpr lamina::Index pixels = 64, classes = 10;

struct Table {
  lamina::Matrix<float> X;
  lamina::Labels y;
};

/// Lines of comma-separated numbers; the last one is the label.
Table read(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error("cannot read " + path);
  std::vector<float> values;
  Table table;
  for (std::string line; std::getline(file, line);) {
    std::istringstream cells(line);
    std::string cell;
    for (lamina::Index i = 0; i < pixels && std::getline(cells, cell, ','); ++i) values.push_back(std::stof(cell));
    if (!std::getline(cells, cell)) throw std::runtime_error(path + ": a row is too short: " + line);
    table.y.push_back(std::stoi(cell));
  }
  const auto rows = static_cast<lamina::Index>(table.y.size());
  table.X = Eigen::Map<const lamina::Matrix<float>>(values.data(), rows, pixels);
  return table;
}

/// The samples of these numbers.
Table part(const Table& all, const std::vector<lamina::Index>& rows) {
  Table out;
  out.X = all.X(rows, Eigen::placeholders::all);
  for (const lamina::Index row : rows) out.y.push_back(all.y[static_cast<std::size_t>(row)]);
  return out;
}

/// The share of rows whose largest probability is that of their label.
double accuracy(const lamina::Matrix<float>& probabilities, const lamina::Labels& y) {
  lamina::Index right = 0;
  for (lamina::Index i = 0; i < probabilities.rows(); ++i) {
    lamina::Index best = 0;
    probabilities.row(i).maxCoeff(&best);
    right += best == y[static_cast<std::size_t>(i)];
  }
  return static_cast<double>(right) / static_cast<double>(probabilities.rows());
}

}  // namespace

int main(int argc, char** argv) try {
  if (argc != 2) {
    std::fprintf(stderr, "usage: %s digits.csv (written by export_digits.py)\n", argv[0]);
    return 2;
  }
  const Table digits = read(argv[1]);
  const auto parts = lamina::split(digits.X.rows(), {0.8, 0.2}, digits.y);
  const Table train = part(digits, parts[0]), test = part(digits, parts[1]);

  constexpr std::uint64_t seed = 0;
  constexpr bool normalize_inputs = true;
  lamina::Network<float> net({lamina::dense(64, "relu"), lamina::dense(classes)}, pixels, "cross_entropy", seed,
                             normalize_inputs);
  const lamina::History history = net.fit(train.X, train.y);
  std::printf("%zu epochs, best %td: %s\n", history.loss.size(), history.best_epoch, history.stop_reason.c_str());
  std::printf("validation loss %.17g\n", history.validation_loss[static_cast<std::size_t>(history.best_epoch - 1)]);
  std::printf("test accuracy %.4f\n", accuracy(net.predict(test.X), test.y));
} catch (const std::exception& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
