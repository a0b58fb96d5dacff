/// Full-batch solvers: what they are called and what can be set. Each looks at all samples at once and chooses its own
/// steps, so that an epoch is one iteration; the solvers themselves are in train/. Tolerances are measured in a unit,
/// the loss of outputs that are all 0 where that is below 1: they mean the same for small targets.
#pragma once

#include <cstdint>

#include "core/registry.hpp"

namespace lamina {

struct SolverEntry : Entry {
  static constexpr bool full_batch = true;
};

namespace solver {

struct LBFGS : SolverEntry {
  static constexpr const char* name = "LBFGS";
  static constexpr const char* formula = "w <- w - t H g, H from the last `history` steps and changes of the gradient";
  static constexpr const char* source =
      "Liu and Nocedal, Math. Programming 45 (1989); line search: More and Thuente, ACM TOMS 20 (1994)";
  std::int64_t history = 10;
  double tolerance = 1e-5, loss_tolerance = 2.2e-9;
  std::int64_t max_evaluations = 15000;
  static constexpr auto fields() {
    return std::tuple{
        Field{"history", &LBFGS::history, "steps remembered", Bounds::within(1, 1000)},
        Field{"tolerance", &LBFGS::tolerance,
              "done when no |gradient| is larger than this times sqrt(unit), unit = min(1, loss of outputs 0)",
              Bounds::at_least(0)},
        Field{"loss_tolerance", &LBFGS::loss_tolerance,
              "done when an iteration lowers the loss by no more than this times max(unit, loss)", Bounds::at_least(0)},
        Field{"max_evaluations", &LBFGS::max_evaluations, "most evaluations of the loss and its gradient",
              Bounds::at_least(1)}};
  }
};

struct LevenbergMarquardt : SolverEntry {
  static constexpr const char* name = "LevenbergMarquardt";
  static constexpr const char* formula =
      "(J'J + mu I) d = -J'r; w <- w + d; mu keeps d within a radius that follows the ratio of actual to expected gain";
  static constexpr const char* source =
      "Marquardt, SIAM J. Appl. Math. 11 (1963); the radius: More, Lecture Notes in Mathematics 630 (1978)";
  double radius = 100;
  double tolerance = 1e-8, loss_tolerance = 1e-8;
  std::int64_t max_evaluations = 15000;
  static constexpr auto fields() {
    return std::tuple{
        Field{"radius", &LevenbergMarquardt::radius, "first step's limit, as a multiple of the size of the weights",
              Bounds::above(0)},
        Field{"tolerance", &LevenbergMarquardt::tolerance,
              "done when no |gradient| is larger than this times sqrt(unit), unit = min(1, loss of outputs 0)",
              Bounds::at_least(0)},
        Field{"loss_tolerance", &LevenbergMarquardt::loss_tolerance,
              "done when the gain is no more than this share of the loss, or the step of the weights",
              Bounds::at_least(0)},
        Field{"max_evaluations", &LevenbergMarquardt::max_evaluations, "most evaluations of the residuals",
              Bounds::at_least(1)}};
  }
};

}  // namespace solver

/// Every full-batch solver there is.
using FullBatchSolver = std::variant<solver::LBFGS, solver::LevenbergMarquardt>;

}  // namespace lamina
