/// Weight initialisers: one struct each, then the list. Biases start at 0 where no initialiser says otherwise.
#pragma once

#include "core/random.hpp"
#include "core/registry.hpp"
#include "core/types.hpp"
#include "math/activations.hpp"

namespace lamina {

enum class Shape { uniform, normal, orthogonal, constant };

namespace initializer {

/// Uniform on +-sqrt(3) sigma, or normal with standard deviation sigma, sigma^2 = gain / fan.
struct Auto : Entry {
  static constexpr const char* name = "auto";
  static constexpr const char* formula =
      "he_uniform for the ReLU family, lecun_normal for selu, else glorot_uniform; normal with parametrization ntk";
  static constexpr const char* source = "chosen from the layer's activation";
};
struct LecunUniform : Entry {
  static constexpr const char* name = "lecun_uniform";
  static constexpr const char* formula = "U(-r, r), r = sqrt(3 / fan_in)";
  static constexpr const char* source = "course notes, training tricks (1 / sqrt(inputs)); LeCun et al. 1998";
  static constexpr Shape shape = Shape::uniform;
  double variance(double fan_in, double) const { return 1 / fan_in; }
};
struct LecunNormal : Entry {
  static constexpr const char* name = "lecun_normal";
  static constexpr const char* formula = "N(0, 1 / fan_in)";
  static constexpr const char* source = "LeCun et al., Efficient BackProp (1998)";
  static constexpr Shape shape = Shape::normal;
  double variance(double fan_in, double) const { return 1 / fan_in; }
};
struct GlorotUniform : Entry {
  static constexpr const char* name = "glorot_uniform";
  static constexpr std::array<const char*, 1> aliases{"xavier_uniform"};
  static constexpr const char* formula = "U(-r, r), r = sqrt(6 / (fan_in + fan_out))";
  static constexpr const char* source = "Glorot and Bengio, AISTATS 2010";
  static constexpr Shape shape = Shape::uniform;
  double variance(double fan_in, double fan_out) const { return 2 / (fan_in + fan_out); }
};
struct GlorotNormal : Entry {
  static constexpr const char* name = "glorot_normal";
  static constexpr std::array<const char*, 1> aliases{"xavier_normal"};
  static constexpr const char* formula = "N(0, 2 / (fan_in + fan_out))";
  static constexpr const char* source = "Glorot and Bengio, AISTATS 2010";
  static constexpr Shape shape = Shape::normal;
  double variance(double fan_in, double fan_out) const { return 2 / (fan_in + fan_out); }
};
struct HeUniform : Entry {
  static constexpr const char* name = "he_uniform";
  static constexpr std::array<const char*, 1> aliases{"kaiming_uniform"};
  static constexpr const char* formula = "U(-r, r), r = sqrt(6 / fan_in)";
  static constexpr const char* source = "arXiv 1502.01852";
  static constexpr Shape shape = Shape::uniform;
  double variance(double fan_in, double) const { return 2 / fan_in; }
};
struct HeNormal : Entry {
  static constexpr const char* name = "he_normal";
  static constexpr std::array<const char*, 1> aliases{"kaiming_normal"};
  static constexpr const char* formula = "N(0, 2 / fan_in)";
  static constexpr const char* source = "arXiv 1502.01852";
  static constexpr Shape shape = Shape::normal;
  double variance(double fan_in, double) const { return 2 / fan_in; }
};
struct Normal : Entry {
  static constexpr const char* name = "normal";
  static constexpr const char* formula = "N(0, deviation^2)";
  static constexpr const char* source = "for parametrization ntk, arXiv 1806.07572";
  static constexpr Shape shape = Shape::normal;
  double deviation = 1.0;
  static constexpr auto fields() {
    return std::tuple{Field{"deviation", &Normal::deviation, "standard deviation of the weights", Bounds::above(0)}};
  }
  double variance(double, double) const { return deviation * deviation; }
};
/// What there is before the first fit is lecun_normal; the layer makes the rest of its inputs.
struct DataDriven : Entry {
  static constexpr const char* name = "data_driven";
  static constexpr const char* formula =
      "N(0, 1 / fan_in); the first fit scales each unit's weights so that its z has standard deviation 1 over up to "
      "1024 training rows, and its bias becomes -sum_k lambda_k z_k of 5 random ones, lambda uniform on the simplex";
  static constexpr const char* source = "arXiv 2407.04491; bias: arXiv 1903.04842";
  static constexpr Shape shape = Shape::normal;
  double variance(double fan_in, double) const { return 1 / fan_in; }
};
struct Orthogonal : Entry {
  static constexpr const char* name = "orthogonal";
  static constexpr const char* formula = "orthonormal rows or columns, from Gram and Schmidt on a normal matrix";
  static constexpr const char* source = "arXiv 1312.6120";
  static constexpr Shape shape = Shape::orthogonal;
  double gain = 1.0;
  static constexpr auto fields() {
    return std::tuple{Field{"gain", &Orthogonal::gain, "scale of the rows", Bounds::above(0)}};
  }
  double variance(double, double) const { return 1; }
};
struct Zeros : Entry {
  static constexpr const char* name = "zeros";
  static constexpr const char* formula = "0";
  static constexpr const char* source = "for layers that learn nothing else from noise: linear models";
  static constexpr Shape shape = Shape::constant;
  double variance(double, double) const { return 0; }
};

}  // namespace initializer

/// Every initialiser there is.
using Initializer =
    std::variant<initializer::Auto, initializer::LecunUniform, initializer::LecunNormal, initializer::GlorotUniform,
                 initializer::GlorotNormal, initializer::HeUniform, initializer::HeNormal, initializer::Normal,
                 initializer::DataDriven, initializer::Orthogonal, initializer::Zeros>;

/// Whether the first fit gives a layer's initial values by what it sees.
inline bool follows_from_data(const Initializer& initializer) {
  return std::holds_alternative<initializer::DataDriven>(initializer);
}

/// Throws std::invalid_argument, which names the `owner`, a kind of layer without such a start, for one that does.
void check_needs_no_data(const Initializer& initializer, const char* owner);

/// What `auto` stands for before an activation.
Initializer suited_initializer(const Activation& activation);

/// Fills the weights w, (fan_in, fan_out). `auto` is resolved from the activation that follows.
template <class T>
void initialize(const Initializer& initializer, const Activation& activation, const Random& random, Matrix<T> w);

}  // namespace lamina
