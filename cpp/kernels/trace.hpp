/// Formulas as lists of operations. `Vec<T, 0>`, a vector without lanes, computes nothing: every operation on it is
/// noted in the `Trace` that is being taken, and the vector holds the number of its node. A formula that is written for
/// any `Vec<T, N>` is thereby traced without a word about it; what exports networks to other languages reads the nodes.
///
/// Two depths: `closed` traces have one node for an elementary function, by its name; in `open` ones it unfolds down to
/// correctly rounded operations, so that whoever repeats them has the same bits. All are those of a target with fused
/// multiply-adds, whatever this file is compiled for.
#pragma once

#include <cstring>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "kernels/elementary.hpp"
#include "kernels/expression.hpp"

namespace lamina::simd {

template <class T> inline constexpr NodeType float_type = sizeof(T) == 4 ? NodeType::float32 : NodeType::float64;
template <class T> inline constexpr NodeType int_type = sizeof(T) == 4 ? NodeType::int32 : NodeType::int64;

/// Takes down what happens to vectors without lanes while it lives.
class Trace {
 public:
  explicit Trace(bool open) : open_(open), outer_(current_) { current_ = this; }
  ~Trace() { current_ = outer_; }
  Trace(const Trace&) = delete;
  Trace& operator=(const Trace&) = delete;

  /// The innermost one of this thread.
  static Trace& current() { return *current_; }

  bool open() const { return open_; }

  int input(NodeType type) {
    nodes_.push_back({"input", type, {}});
    return last();
  }
  int note(const Node& node) {
    std::int64_t number_bits = 0;  // not the number: -0 is another one than 0, and NaN is one
    std::memcpy(&number_bits, &node.number, sizeof(number_bits));
    const Key key{node.op, node.type, node.arguments, number_bits, node.whole};
    const auto [at, is_new] = numbers_.try_emplace(key, static_cast<int>(nodes_.size()));
    if (is_new) nodes_.push_back(node);
    return at->second;
  }

  /// What `results` are made of, the inputs first, the rest in the order in which the arguments need it: that in which
  /// a compiler evaluates the arguments of an operator is its own.
  Expression expression(const std::vector<int>& results) const {
    Expression out;
    std::vector<int> place(nodes_.size(), -1);
    for (std::size_t i = 0; i < nodes_.size(); ++i) {
      if (nodes_[i].op == std::string("input")) put(static_cast<int>(i), place, out);
    }
    for (const int result : results) out.results.push_back(put(result, place, out));
    return out;
  }

 private:
  using Key = std::tuple<std::string, NodeType, std::vector<int>, std::int64_t, std::int64_t>;
  int last() const { return static_cast<int>(nodes_.size()) - 1; }
  int put(int number, std::vector<int>& place, Expression& out) const {
    const auto i = static_cast<std::size_t>(number);
    if (place[i] >= 0) return place[i];
    Node node = nodes_[i];
    for (int& argument : node.arguments) argument = put(argument, place, out);
    out.nodes.push_back(node);
    return place[i] = static_cast<int>(out.nodes.size()) - 1;
  }

  bool open_;
  Trace* outer_;
  std::vector<Node> nodes_;
  std::map<Key, int> numbers_;
  inline static thread_local Trace* current_ = nullptr;
};

/// A vector of type V whose node says so.
template <class V, class... A> V traced(const char* op, A... arguments) {
  return V::at(Trace::current().note({op, V::type, {arguments.node...}}));
}

template <class T> struct Mask<T, 0> {
  static constexpr NodeType type = NodeType::boolean;
  int node = -1;

  static Mask at(int node) { return {node}; }
  friend Mask operator&(Mask a, Mask b) { return traced<Mask>("and", a, b); }
  friend Mask operator|(Mask a, Mask b) { return traced<Mask>("or", a, b); }
  friend Mask operator!(Mask a) { return traced<Mask>("not", a); }
};

template <class T> struct IntVec<T, 0> {
  static constexpr NodeType type = int_type<T>;
  int node = -1;

  IntVec() = default;
  IntVec(Bits<T> s) : node(Trace::current().note({"constant", type, {}, 0, s})) {}

  static IntVec at(int node) {
    IntVec x;
    x.node = node;
    return x;
  }
  /// A shift by a number that is part of the formula.
  static IntVec shifted(const char* op, IntVec x, int by) {
    return at(Trace::current().note({op, type, {x.node}, 0, by}));
  }

  friend IntVec operator+(IntVec a, IntVec b) { return traced<IntVec>("add", a, b); }
  friend IntVec operator-(IntVec a, IntVec b) { return traced<IntVec>("sub", a, b); }
  friend IntVec operator&(IntVec a, IntVec b) { return traced<IntVec>("and", a, b); }
  friend IntVec operator|(IntVec a, IntVec b) { return traced<IntVec>("or", a, b); }
  friend IntVec operator^(IntVec a, IntVec b) { return traced<IntVec>("xor", a, b); }
  friend IntVec operator<<(IntVec a, int s) { return shifted("shift_left", a, s); }
  friend IntVec operator>>(IntVec a, int s) { return shifted("shift_right", a, s); }
  friend Mask<T, 0> operator<(IntVec a, IntVec b) { return traced<Mask<T, 0>>("lt", a, b); }
  friend Mask<T, 0> operator>(IntVec a, IntVec b) { return traced<Mask<T, 0>>("gt", a, b); }
  friend Mask<T, 0> operator==(IntVec a, IntVec b) { return traced<Mask<T, 0>>("eq", a, b); }
};

template <class T> struct Vec<T, 0> {
  using Scalar = T;
  using M = Mask<T, 0>;
  static constexpr int size = 0;
  static constexpr NodeType type = float_type<T>;
  int node = -1;

  Vec() = default;
  Vec(T s) : node(Trace::current().note({"constant", type, {}, static_cast<double>(s)})) {}

  static Vec at(int node) {
    Vec x;
    x.node = node;
    return x;
  }
  static Vec input() { return at(Trace::current().input(type)); }

  friend Vec operator+(Vec a, Vec b) { return traced<Vec>("add", a, b); }
  friend Vec operator-(Vec a, Vec b) { return traced<Vec>("sub", a, b); }
  friend Vec operator*(Vec a, Vec b) { return traced<Vec>("mul", a, b); }
  friend Vec operator/(Vec a, Vec b) { return traced<Vec>("div", a, b); }
  friend Vec operator-(Vec a) { return traced<Vec>("neg", a); }
  Vec& operator+=(Vec b) { return *this = *this + b; }
  Vec& operator-=(Vec b) { return *this = *this - b; }
  Vec& operator*=(Vec b) { return *this = *this * b; }

  friend M operator<(Vec a, Vec b) { return traced<M>("lt", a, b); }
  friend M operator<=(Vec a, Vec b) { return traced<M>("le", a, b); }
  friend M operator>(Vec a, Vec b) { return traced<M>("gt", a, b); }
  friend M operator>=(Vec a, Vec b) { return traced<M>("ge", a, b); }
  friend M operator==(Vec a, Vec b) { return traced<M>("eq", a, b); }
  friend M operator!=(Vec a, Vec b) { return traced<M>("ne", a, b); }
};

template <class T> Vec<T, 0> select(Mask<T, 0> m, Vec<T, 0> yes, Vec<T, 0> no) {
  return traced<Vec<T, 0>>("select", m, yes, no);
}
template <class T> IntVec<T, 0> select(Mask<T, 0> m, IntVec<T, 0> yes, IntVec<T, 0> no) {
  return traced<IntVec<T, 0>>("select", m, yes, no);
}
template <class T> IntVec<T, 0> bits(Vec<T, 0> x) { return traced<IntVec<T, 0>>("bits", x); }
template <class T> Vec<T, 0> from_bits(IntVec<T, 0> x) { return traced<Vec<T, 0>>("from_bits", x); }
template <class T> IntVec<T, 0> shift_right_unsigned(IntVec<T, 0> x, int s) {
  return IntVec<T, 0>::shifted("shift_right_unsigned", x, s);
}
template <class T> Vec<T, 0> abs(Vec<T, 0> x) { return traced<Vec<T, 0>>("abs", x); }
template <class T> Vec<T, 0> copysign(Vec<T, 0> magnitude, Vec<T, 0> sign) {
  return traced<Vec<T, 0>>("copysign", magnitude, sign);
}
template <class T> Vec<T, 0> max(Vec<T, 0> a, Vec<T, 0> b) { return traced<Vec<T, 0>>("max", a, b); }
template <class T> Vec<T, 0> min(Vec<T, 0> a, Vec<T, 0> b) { return traced<Vec<T, 0>>("min", a, b); }
template <class T> Vec<T, 0> fma(Vec<T, 0> a, Vec<T, 0> b, Vec<T, 0> c) { return traced<Vec<T, 0>>("fma", a, b, c); }
template <class T> Vec<T, 0> sqrt(Vec<T, 0> x) { return traced<Vec<T, 0>>("sqrt", x); }
template <class F> Vec<float, 0> in_double(Vec<float, 0> x, F&& f) {
  return traced<Vec<float, 0>>("convert", f(traced<Vec<double, 0>>("convert", x)));
}
/// The form with fma, also where `detail` has the other one.
template <class T> Vec<T, 0> product_error(Vec<T, 0> a, Vec<T, 0> b, Vec<T, 0> product) { return fma(a, b, -product); }

// Elementary functions: a node by their name, or, with template arguments that only those of any N take, what they do.
#define LAMINA_TRACED(function)                                           \
  template <class T> Vec<T, 0> function(Vec<T, 0> x) {                    \
    if (!Trace::current().open()) return traced<Vec<T, 0>>(#function, x); \
    return function<T, 0>(x);                                             \
  }
LAMINA_ELEMENTARY(LAMINA_TRACED)
#undef LAMINA_TRACED
template <class T> detail::SineCosine<T, 0> sin_cos_of_turns(Vec<T, 0> x) {
  if (!Trace::current().open()) return {traced<Vec<T, 0>>("sin_of_turns", x), traced<Vec<T, 0>>("cos_of_turns", x)};
  return sin_cos_of_turns<T, 0>(x);
}

}  // namespace lamina::simd
