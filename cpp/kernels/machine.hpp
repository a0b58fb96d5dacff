/// The machine's speed, for benchmarks.
#pragma once

namespace lamina::kernels {

/// Best rate of independent multiply-adds in registers within `seconds`, float32, one core, in GFLOP/s: the peak that
/// products are held against.
double measure_peak(double seconds);

}  // namespace lamina::kernels
