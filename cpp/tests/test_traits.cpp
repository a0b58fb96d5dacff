/// What entries of the registries say of themselves beside their formulas, and the records that are checked by fields.
#include <cstdio>
#include <limits>
#include <stdexcept>
#include <string>

#include "math/initializers.hpp"
#include "train/trainer.hpp"

namespace {

using namespace lamina;

int failures = 0;

void expect(bool ok, const std::string& what) {
  if (ok) return;
  std::printf("FAILED: %s\n", what.c_str());
  ++failures;
}

template <class F> std::string refused(F&& f) {
  try {
    f();
  } catch (const std::invalid_argument& e) {
    return e.what();
  }
  return "";
}

void test_slopes() {
  for_each_type<Activation>([](const auto& f) {
    const bool sloped = f.slope != Slope::none;
    expect(sloped || slope_at_start<float>(f, 1) == 0, std::string(f.name) + " has no slope");
  });
  expect(slope_at_start<double>(activation::BipolarRelu{}, 2) == 0, "units of even index let the positive side pass");
  expect(slope_at_start<double>(activation::BipolarRelu{}, 3) == 1, "units of odd index let the negative side pass");
  activation::ParametricRelu learned;
  learned.initial = 0.1;
  expect(slope_at_start<float>(learned, 5) == 0.1f, "learned slopes start where they are told to");
  activation::RandomRelu random;
  random.lower = 0.25;
  random.upper = 0.75;
  expect(slope_at_start<float>(random, 5) == 0.5f, "random slopes have their mean");
}

void test_options() {
  FitOptions options;
  check_fields(options);
  options.penalty.l2 = -1;
  expect(refused([&] { check_fields(options); }) == "l2 of the penalty must be at least 0; got -1", "a record inside");
  options.penalty.l2 = 0;
  options.early_stop.emplace().patience = 0;
  expect(refused([&] { check_fields(options); }) == "patience of EarlyStop must be at least 1; got 0",
         "an optional one");
  options.early_stop.reset();
  schedule::Warmup warm;
  warm.then.schedule = std::make_shared<schedule::AnySchedule>(schedule::AnySchedule{schedule::Step{{}, 0.5}});
  options.schedule = warm;
  expect(refused([&] { check_fields(options); }) == "step_size of Step must be at least 1; got 0.5",
         "a nested schedule");
}

struct NoRate final : CustomSchedule {
  double factor(const Progress&) const override { return -std::numeric_limits<double>::quiet_NaN(); }
};

void test_custom_schedule() {
  schedule::Custom custom;
  custom.function = std::make_shared<NoRate>();
  Progress progress;
  progress.epoch = 2;
  expect(refused([&] { factor_of(custom, progress); }) ==
             "schedule must give a finite factor of at least 0; got nan at epoch 2",
         "what is no factor is refused");
}

void test_state_of_another_rule() {
  RunningOptimizer adam = running(optimizer::Adam{});
  advance(adam, 0.1);
  optimizer::Adam faster;
  faster.beta1 = 0.5;
  RunningOptimizer next = running(faster, &adam);
  advance(next, 0.1);
  const auto& state = std::get<Running<optimizer::Adam>>(next).state;
  expect(state.beta1_power == 0.9 * 0.5, "a rule goes on from the state before it, with its own parameters");
}

}  // namespace

int main() {
  test_slopes();
  test_options();
  test_custom_schedule();
  test_state_of_another_rule();
  return failures == 0 ? 0 : 1;
}
