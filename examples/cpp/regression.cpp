/// A small regression on data made here: a validation set of one's own, a schedule, a callback, weights by name.
#include <cmath>
#include <cstdio>
#include <exception>
#include <lamina/lamina.hpp>
#include <random>

namespace {

struct Samples {
  lamina::Matrix<double> X, Y;
};

/// y = sin(3 x1) x2 + noise on [-1, 1]^2.
Samples noisy_samples(lamina::Index rows, unsigned seed) {
  std::mt19937 random(seed);
  const auto uniform = [&] { return static_cast<double>(random()) / 0x1p31 - 1; };
  Samples s{lamina::Matrix<double>(rows, 2), lamina::Matrix<double>(rows, 1)};
  for (lamina::Index i = 0; i < rows; ++i) {
    s.X.row(i) << uniform(), uniform();
    s.Y(i, 0) = std::sin(3 * s.X(i, 0)) * s.X(i, 1) + 0.05 * uniform();
  }
  return s;
}

/// The share of the variance that is explained.
double r_squared(const lamina::Matrix<double>& predicted, const lamina::Matrix<double>& Y) {
  return 1 - (predicted - Y).squaredNorm() / (Y.array() - Y.mean()).matrix().squaredNorm();
}

}  // namespace

int main() try {
  const Samples train = noisy_samples(400, 1), held = noisy_samples(100, 2), test = noisy_samples(200, 3);

  lamina::Network<double> net({lamina::dense(24, "tanh"), lamina::dense(1)}, 2);
  lamina::FitOptions options;
  options.epochs = 200;
  options.optimizer = {"Adam", {{"lr", 0.01}}};
  options.schedule = "Cosine";
  options.l2 = 1e-6;
  options.early_stopping->patience = 25;
  options.on_epoch = [](lamina::Epoch& epoch) {
    if (epoch.epoch % 50 == 0) std::printf("epoch %td: validation loss %.5f\n", epoch.epoch, *epoch.validation_loss);
  };
  const lamina::History history = net.fit(train.X, train.Y, held.X, held.Y, options);
  std::printf("best epoch %td of %zu: %s\n", history.best_epoch, history.loss.size(), history.stop_reason.c_str());
  std::printf("R^2 of the test samples %.4f\n", r_squared(net.predict(test.X), test.Y));

  // Weights are Eigen maps by name; another network takes them over.
  lamina::Network<double> twin({lamina::dense(24, "tanh"), lamina::dense(1)}, 2);
  for (const std::string& name : net.parameter_names()) twin.parameter(name) = net.parameter(name);
  const bool same = twin.predict(test.X) == net.predict(test.X);
  std::printf("the twin predicts the same: %s\n", same ? "yes" : "no");

  const auto [loss, gradients] = net.loss_and_gradients(test.X, test.Y);
  std::printf("loss %.5f, norm of its gradient by the first weights %.5f\n", loss, gradients.at("0.weight").norm());
  return same ? 0 : 1;
} catch (const std::exception& e) {
  std::fprintf(stderr, "%s\n", e.what());
  return 1;
}
