/// The machine's speed, for benchmarks, and what it is used with.
#pragma once

namespace lamina::kernels {

/// Best rate of independent multiply-adds in registers within `seconds`, float32, one core, in GFLOP/s: the peak that
/// products are held against.
double measure_peak(double seconds);

/// The instruction set that this core was compiled for.
struct Level {
  const char* name;  ///< as in -march=x86-64-v3; "native" elsewhere
  int vector_bytes;
  bool fused_multiply_add;
};
Level level();

}  // namespace lamina::kernels
