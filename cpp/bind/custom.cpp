#include "bind/custom.hpp"

#include <algorithm>
#include <vector>

#include "bind/lock.hpp"
#include "bind/turnstile.hpp"

namespace lamina::bind {
namespace {

template <class T> using Contiguous = py::array_t<T, py::array::c_style | py::array::forcecast>;
using Shape = std::vector<py::ssize_t>;

/// An array of the function's own: it may keep it, or write to it.
template <class T> py::array_t<T> copy_of(const T* from, Index rows, Index columns) {
  py::array_t<T> out(Shape{rows, columns});
  std::copy_n(from, rows * columns, out.mutable_data());
  return out;
}

std::string text_of(const Shape& shape) {
  std::string s = "(";
  for (std::size_t i = 0; i < shape.size(); ++i) s += (i > 0 ? ", " : "") + std::to_string(shape[i]);
  return s + (shape.size() == 1 ? ",)" : ")");
}

/// Two functions of a part, and who they are for messages. Lets go of them under the interpreter's lock.
class Functions {
 public:
  Functions(std::string who, const py::dict& parameters)
      : who_(std::move(who)), value_(parameters["value"]), derivative_(parameters["derivative"]) {
    for (const char* which : {"value", "derivative"}) {
      if (!PyCallable_Check(py::object(parameters[which]).ptr()))
        throw py::type_error(which + (" of the " + who_) + " must be a function; got " +
                             std::string(py::repr(parameters[which])));
    }
  }
  Functions(const Functions&) = delete;
  Functions& operator=(const Functions&) = delete;
  ~Functions() {
    locked([this] {
      value_ = {};
      derivative_ = {};
    });
  }

  py::dict parameters() const {
    py::dict d;
    d["value"] = value_;
    d["derivative"] = derivative_;
    return d;
  }

  template <class T, class... Arrays> void value(T* out, const Shape& shape, const Arrays&... arrays) const {
    call(value_, "value", out, shape, arrays...);
  }
  template <class T, class... Arrays> void derivative(T* out, const Shape& shape, const Arrays&... arrays) const {
    call(derivative_, "derivative", out, shape, arrays...);
  }

 private:
  /// f(arrays...) written to `out`; TypeError or ValueError where the result is not an array of numbers of this shape.
  template <class T, class... Arrays>
  void call(const py::object& f, const char* which, T* out, const Shape& shape, const Arrays&... arrays) const {
    const InsideStep inside;
    const py::object result = bind::call(f, arrays...);
    const auto array = py::array::ensure(result);
    if (!array || std::string("fiub").find(array.dtype().kind()) == std::string::npos)
      throw py::type_error(which + (" of the " + who_) + " must return an array of numbers; got " +
                           std::string(py::str(py::type::of(result).attr("__name__"))) +
                           (array ? " of dtype " + std::string(py::str(array.dtype())) : ""));
    const Shape got(array.shape(), array.shape() + array.ndim());
    if (got != shape)
      throw py::value_error(which + (" of the " + who_) + " must return an array of shape " + text_of(shape) +
                            "; got " + text_of(got));
    const Contiguous<T> values(array);
    std::copy_n(values.data(), values.size(), out);
  }

  std::string who_;
  py::object value_, derivative_;
};

struct PythonActivation final : CustomActivation {
  Functions functions;

  PythonActivation(const std::string& called, const py::dict& parameters)
      : CustomActivation(called), functions("activation '" + called + "'", parameters) {}

  void value(const float* x, float* y, Index rows, Index n) const override { value_of(x, y, rows, n); }
  void value(const double* x, double* y, Index rows, Index n) const override { value_of(x, y, rows, n); }
  void derivative(const float* x, float* d, Index rows, Index n) const override { derivative_of(x, d, rows, n); }
  void derivative(const double* x, double* d, Index rows, Index n) const override { derivative_of(x, d, rows, n); }

 private:
  template <class T> void value_of(const T* x, T* y, Index rows, Index n) const {
    locked([&] { functions.value(y, {rows, n}, copy_of(x, rows, n)); });
  }
  template <class T> void derivative_of(const T* x, T* d, Index rows, Index n) const {
    locked([&] { functions.derivative(d, {rows, n}, copy_of(x, rows, n)); });
  }
};

struct PythonLoss final : CustomLoss {
  Functions functions;

  PythonLoss(const std::string& called, const py::dict& parameters)
      : CustomLoss(called), functions("loss '" + called + "'", parameters) {}

  void value(const float* y, const float* t, float* v, Index rows, Index n) const override {
    value_of(y, t, v, rows, n);
  }
  void value(const double* y, const double* t, double* v, Index rows, Index n) const override {
    value_of(y, t, v, rows, n);
  }
  void derivative(const float* y, const float* t, float* g, Index rows, Index n) const override {
    derivative_of(y, t, g, rows, n);
  }
  void derivative(const double* y, const double* t, double* g, Index rows, Index n) const override {
    derivative_of(y, t, g, rows, n);
  }

 private:
  template <class T> void value_of(const T* y, const T* t, T* row_loss, Index rows, Index n) const {
    locked([&] { functions.value(row_loss, {rows}, copy_of(y, rows, n), copy_of(t, rows, n)); });
  }
  template <class T> void derivative_of(const T* y, const T* t, T* gradient, Index rows, Index n) const {
    locked([&] { functions.derivative(gradient, {rows, n}, copy_of(y, rows, n), copy_of(t, rows, n)); });
  }
};

/// The value of an enumeration called so.
template <class Enum> Enum named(const py::dict& parameters, const char* key, const std::array<const char*, 4>& names) {
  const py::object wanted = parameters[key];
  std::string all;
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (py::isinstance<py::str>(wanted) && wanted.cast<std::string>() == names[i]) return static_cast<Enum>(i);
    all += (i == 0 ? "'" : ", '") + std::string(names[i]) + "'";
  }
  throw py::value_error(std::string(key) + " must be one of " + all + "; got " + std::string(py::repr(wanted)));
}

}  // namespace

py::dict parameters_of_custom(const activation::Custom& a) {
  return static_cast<const PythonActivation&>(*a.functions).functions.parameters();
}

py::dict parameters_of_custom(const loss::Custom& l) {
  py::dict d = static_cast<const PythonLoss&>(*l.functions).functions.parameters();
  d["link"] = link_names[static_cast<std::size_t>(l.link)];
  d["targets"] = target_names[static_cast<std::size_t>(l.domain.kind)];
  return d;
}

void custom_from(const std::string& name, const py::dict& parameters, Activation& out) {
  activation::Custom a;
  a.functions = std::make_shared<PythonActivation>(name, parameters);
  out = a;
}

void custom_from(const std::string& name, const py::dict& parameters, Loss& out) {
  loss::Custom l;
  l.link = named<Link>(parameters, "link", link_names);
  l.domain = targets::of(named<TargetKind>(parameters, "targets", target_names));
  l.functions = std::make_shared<PythonLoss>(name, parameters);
  out = l;
}

}  // namespace lamina::bind
