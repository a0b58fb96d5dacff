/// Parts that the user of the library writes: what the core knows of them is how to call them.
#pragma once

#include <string>
#include <utility>

#include "core/index.hpp"

namespace lamina {

/// An activation from outside: element-wise over contiguous (rows, columns) arrays. Called from several threads at
/// once; may throw.
struct CustomActivation {
  std::string name;

  explicit CustomActivation(std::string called) : name(std::move(called)) {}
  virtual ~CustomActivation() = default;
  virtual void value(const float* x, float* y, Index rows, Index columns) const = 0;
  virtual void value(const double* x, double* y, Index rows, Index columns) const = 0;
  virtual void derivative(const float* x, float* d, Index rows, Index columns) const = 0;
  virtual void derivative(const double* x, double* d, Index rows, Index columns) const = 0;
};

/// A loss from outside: raw outputs and targets are contiguous (rows, outputs) arrays, the loss is one number a row,
/// and its derivative with respect to the raw outputs is (rows, outputs). Threads and errors as for `CustomActivation`.
struct CustomLoss {
  std::string name;

  explicit CustomLoss(std::string called) : name(std::move(called)) {}
  virtual ~CustomLoss() = default;
  virtual void value(const float* y, const float* t, float* row_loss, Index rows, Index n) const = 0;
  virtual void value(const double* y, const double* t, double* row_loss, Index rows, Index n) const = 0;
  virtual void derivative(const float* y, const float* t, float* gradient, Index rows, Index n) const = 0;
  virtual void derivative(const double* y, const double* t, double* gradient, Index rows, Index n) const = 0;
};

struct Progress;

/// A schedule from outside: the factor of the learning rate, finite and at least 0. Called before every step, on the
/// thread that called `fit`; may throw.
struct CustomSchedule {
  virtual ~CustomSchedule() = default;
  virtual double factor(const Progress& progress) const = 0;
};

}  // namespace lamina
