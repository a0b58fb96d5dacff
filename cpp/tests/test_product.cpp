/// The products against a scalar chain of std::fma, bit for bit (to a tolerance where the target has no fma).
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "kernels/product.hpp"
#include "kernels/simd.hpp"

namespace {

using lamina::Index;
using lamina::kernels::multiply;
using lamina::kernels::Operand;
using lamina::kernels::PackBuffer;
using lamina::kernels::PackedB;

int failures = 0;

enum class Layout { rows, columns, loose };  // row-major, transposed, no unit stride

template <class T> struct Stored {
  std::vector<T> memory;
  Operand<T> view;
};

/// A rows x cols matrix in the given layout, between NaNs that must never be read into a result.
template <class T> Stored<T> random_matrix(Index rows, Index cols, Layout layout, std::mt19937& generator) {
  std::normal_distribution<double> normal;
  const Index pad = 3, step = layout == Layout::loose ? 2 : 1;
  const Index row_stride = layout == Layout::columns ? 1 : cols * step + pad;
  const Index col_stride = layout == Layout::columns ? rows + pad : step;
  const Index size = layout == Layout::columns ? cols * col_stride : rows * row_stride;
  Stored<T> s{std::vector<T>(static_cast<std::size_t>(size + 1), std::numeric_limits<T>::quiet_NaN()), {}};
  for (Index i = 0; i < rows; ++i) {
    for (Index j = 0; j < cols; ++j) {
      s.memory[static_cast<std::size_t>(i * row_stride + j * col_stride)] = static_cast<T>(normal(generator));
    }
  }
  s.view = {s.memory.data(), row_stride, col_stride};
  return s;
}

template <class T> T element(Operand<T> x, Index i, Index j) { return x.data[i * x.row_stride + j * x.col_stride]; }

template <class T> bool agree(T found, T expected, T scale) {
  if (std::isnan(expected)) return std::isnan(found);
  if (lamina::simd::has_fma || std::isinf(expected)) return std::memcmp(&found, &expected, sizeof(T)) == 0;
  return std::abs(found - expected) <= 4 * std::numeric_limits<T>::epsilon() * scale;
}

template <class T> struct Case {
  Index m, n, k;
  Layout a = Layout::rows, b = Layout::rows;
  bool accumulate = false;
};

/// C by the chain, starting from `c`; `scale` bounds the sums of magnitudes.
template <class T>
void chain(const Case<T>& s, Operand<T> a, Operand<T> b, std::vector<T>& c, Index ldc, std::vector<T>& scale) {
  for (Index i = 0; i < s.m; ++i) {
    for (Index j = 0; j < s.n; ++j) {
      const auto at = static_cast<std::size_t>(i * ldc + j);
      T sum = s.accumulate ? c[at] : T(0), size = std::abs(sum);
      for (Index k = 0; k < s.k; ++k) {
        sum = std::fma(element(a, i, k), element(b, k, j), sum);
        size += std::abs(element(a, i, k) * element(b, k, j));
      }
      c[at] = sum;
      scale[at] = size * static_cast<T>(s.k + 1);
    }
  }
}

template <class T>
void compare(const char* what, const Case<T>& s, const std::vector<T>& found, const std::vector<T>& expected,
             const std::vector<T>& scale) {
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (agree(found[i], expected[i], scale[i])) continue;
    std::printf("%s<%s>: m=%td n=%td k=%td layouts %d %d accumulate %d: element %zu is %.17g, not %.17g\n", what,
                sizeof(T) == 4 ? "float" : "double", s.m, s.n, s.k, static_cast<int>(s.a), static_cast<int>(s.b),
                s.accumulate, i, static_cast<double>(found[i]), static_cast<double>(expected[i]));
    ++failures;
    return;
  }
}

/// One shape in every way: plain, with an epilogue, with B packed, and in parts as threads would have it.
template <class T> void check(const Case<T>& s, PackBuffer<T>& buffer, bool spoilt = false) {
  std::mt19937 generator(static_cast<unsigned>(s.m * 10007 + s.n * 101 + s.k));
  Stored<T> a = random_matrix<T>(s.m, s.k, s.a, generator), b = random_matrix<T>(s.k, s.n, s.b, generator);
  if (spoilt) {
    a.memory[0] = T(0);
    b.memory[0] = std::numeric_limits<T>::infinity();
  }
  const Index ldc = s.n + 2;
  const auto size = static_cast<std::size_t>(s.m * ldc);
  std::vector<T> start(size), scale(size, T(0));
  for (T& x : start) x = static_cast<T>(generator() % 1000) / T(256);
  std::vector<T> expected = start;
  chain(s, a.view, b.view, expected, ldc, scale);

  std::vector<T> c = start;
  multiply<T>({s.m, s.n, s.k, a.view, b.view, c.data(), ldc, s.accumulate}, buffer);
  compare("product", s, c, expected, scale);

  // Negating each finished block shows that it was complete, and that it was given once.
  std::vector<T> negated = expected;
  for (Index i = 0; i < s.m; ++i) {
    for (Index j = 0; j < s.n; ++j) {
      T& x = negated[static_cast<std::size_t>(i * ldc + j)];
      x = -x;
    }
  }
  const auto negate = [&](const lamina::Block& block) {
    for (Index i = block.rows.begin; i < block.rows.end; ++i) {
      for (Index j = block.columns.begin; j < block.columns.end; ++j) {
        T& x = c[static_cast<std::size_t>(i * ldc + j)];
        x = -x;
      }
    }
  };
  c = start;
  multiply<T>({s.m, s.n, s.k, a.view, b.view, c.data(), ldc, s.accumulate}, buffer, negate);
  compare("epilogue", s, c, negated, scale);

  PackedB<T> packed;
  packed.pack(s.n, s.k, b.view);
  c = start;
  multiply<T>({s.m, s.n, s.k, a.view, {}, c.data(), ldc, s.accumulate}, packed, buffer, negate);
  compare("packed", s, c, negated, scale);

  c = start;
  const Index row = s.m / 3, col = s.n / 2;
  const auto part = [&](Index i, Index rows, Index j, Index cols) {
    multiply<T>({rows, cols, s.k, a.view.from(i, 0), b.view.from(0, j), c.data() + i * ldc + j, ldc, s.accumulate},
                buffer);
  };
  part(0, row, 0, s.n);
  part(row, s.m - row, 0, col);
  part(row, s.m - row, col, s.n - col);
  compare("parts", s, c, expected, scale);
}

template <class T> void check_all() {
  PackBuffer<T> buffer;
  const Layout layouts[] = {Layout::rows, Layout::columns, Layout::loose};
  for (Index m = 1; m <= 20; ++m) {
    for (Index n = 1; n <= 20; ++n) {
      const Index k = 1 + (m * 7 + n * 3) % 20;
      check<T>({m, n, k, layouts[(m + n) % 3], layouts[(m + k) % 3], (m + n + k) % 2 == 0}, buffer);
      check<T>({m, n, 21 - k}, buffer);
    }
  }
  const Index sizes[] = {1, 3, 10, 16, 17, 32, 45, 46, 64, 100};
  for (const Index m : sizes) {
    for (const Index n : sizes) {
      for (const Index k : {Index(5), Index(64), Index(100)}) {
        for (const Layout a : layouts) check<T>({m, n, k, a, layouts[(m + n + k) % 3], n % 2 == 1}, buffer);
      }
    }
  }
  for (const Layout a : layouts) {
    for (const Layout b : layouts) {
      for (const bool accumulate : {false, true}) {
        check<T>({1, 300, 784, a, b, accumulate}, buffer);
        check<T>({2, 131, 520, a, b, accumulate}, buffer);
        check<T>({37, 46, 0, a, b, accumulate}, buffer);
        check<T>({37, 1, 0, a, b, accumulate}, buffer);
        check<T>({200, 10, 0, a, b, accumulate}, buffer);
        check<T>({200, 10, 33, a, b, accumulate}, buffer);
        check<T>({130, 3, 64, a, b, accumulate}, buffer);
        check<T>({130, 257, 300, a, b, accumulate}, buffer);
        check<T>({401, 10, 257, a, b, accumulate}, buffer);
        check<T>({205, 1, 700, a, b, accumulate}, buffer);
        check<T>({20, 33, 40, a, b, accumulate}, buffer, true);
        check<T>({220, 100, 320, a, b, accumulate}, buffer, true);
      }
    }
  }
  check<T>({6, 3500, 9, Layout::rows, Layout::columns, true}, buffer);
  check<T>({400, 3400, 20, Layout::columns, Layout::columns, false}, buffer);

  bool called = false;
  const auto note = [&](const lamina::Block&) { called = true; };
  T untouched = 7;
  const Operand<T> one{&untouched, 1, 1};
  multiply<T>({0, 1, 1, one, one, &untouched, 1}, buffer, note);
  multiply<T>({1, 0, 1, one, one, &untouched, 1}, buffer, note);
  if (called || untouched != T(7)) {
    std::printf("an empty product did something\n");
    ++failures;
  }
}

}  // namespace

int main() {
  check_all<float>();
  check_all<double>();
  if (failures == 0) std::printf("products: all equal\n");
  return failures == 0 ? 0 : 1;
}
