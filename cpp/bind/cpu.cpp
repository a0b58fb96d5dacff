/// The tiny module `lamina._cpu`: which instruction-set levels this machine and its operating system can run.
/// Compiled for the baseline and written against the bare Python API: it must load anywhere, and at once.
#include <Python.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

#include <cstdint>

namespace {

#if defined(__x86_64__)

/// The feature words of the levels; the compilers' `__builtin_cpu_supports` do not all know every name needed here.
struct CpuFeatures {
  std::uint32_t leaf1_ecx = 0, leaf7_ebx = 0, extended_ecx = 0;
  std::uint64_t saved_state = 0;  // XCR0: the registers that the operating system saves when it switches tasks
};

constexpr std::uint32_t bits() { return 0; }
template <class... Rest> constexpr std::uint32_t bits(int first, Rest... rest) {
  return (std::uint32_t{1} << first) | bits(rest...);
}

constexpr bool has(std::uint64_t word, std::uint64_t mask) { return (word & mask) == mask; }

CpuFeatures read_features() {
  CpuFeatures features;
  std::uint32_t a = 0, b = 0, c = 0, d = 0;
  if (__get_cpuid(1, &a, &b, &c, &d)) features.leaf1_ecx = c;
  if (__get_cpuid_count(7, 0, &a, &b, &c, &d)) features.leaf7_ebx = b;
  if (__get_cpuid(0x80000001u, &a, &b, &c, &d)) features.extended_ecx = c;
  constexpr int osxsave = 27;
  if (has(features.leaf1_ecx, bits(osxsave))) {
    __asm__("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
    features.saved_state = (std::uint64_t{d} << 32) | a;
  }
  return features;
}

/// The highest level, 1 (the baseline) to 4, by the tables of the x86-64 psABI, section 3.1.1.
int highest_level(const CpuFeatures& f) {
  // SSE3, SSSE3, CMPXCHG16B, SSE4.1, SSE4.2, POPCNT; LAHF-SAHF
  if (!has(f.leaf1_ecx, bits(0, 9, 13, 19, 20, 23)) || !has(f.extended_ecx, bits(0))) return 1;
  // FMA, MOVBE, AVX, F16C; BMI1, AVX2, BMI2; LZCNT; the XMM and YMM registers saved
  if (!has(f.leaf1_ecx, bits(12, 22, 28, 29)) || !has(f.leaf7_ebx, bits(3, 5, 8)) || !has(f.extended_ecx, bits(5)) ||
      !has(f.saved_state, bits(1, 2)))
    return 2;
  // AVX512F, DQ, CD, BW, VL; the mask and ZMM registers saved
  if (!has(f.leaf7_ebx, bits(16, 17, 28, 30, 31)) || !has(f.saved_state, bits(5, 6, 7))) return 3;
  return 4;
}

PyObject* supported_levels(PyObject*, PyObject*) {
  switch (highest_level(read_features())) {
    case 4:
      return Py_BuildValue("(sss)", "v2", "v3", "v4");
    case 3:
      return Py_BuildValue("(ss)", "v2", "v3");
    case 2:
      return Py_BuildValue("(s)", "v2");
    default:
      return PyTuple_New(0);
  }
}

#else

PyObject* supported_levels(PyObject*, PyObject*) { return Py_BuildValue("(s)", "native"); }

#endif

PyMethodDef methods[] = {{"supported_levels", supported_levels, METH_NOARGS,
                          "supported_levels() -> tuple[str, ...]\n\nThe levels this machine can run, lowest first."},
                         {nullptr, nullptr, 0, nullptr}};

PyModuleDef_Slot slots[] = {
#if defined(Py_GIL_DISABLED)
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, nullptr}};

PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "_cpu", "What the machine can run.", 0, methods, slots, nullptr, nullptr, nullptr};

}  // namespace

PyMODINIT_FUNC PyInit__cpu() { return PyModuleDef_Init(&definition); }
