/// Every layer there is: a file each in layers/, and a line in this list.
#pragma once

#include "model/layers/activation.hpp"
#include "model/layers/batch_norm.hpp"
#include "model/layers/dense.hpp"
#include "model/layers/dropout.hpp"
#include "model/layers/embedding.hpp"
#include "model/layers/gaussian_noise.hpp"
#include "model/layers/numeric_embedding.hpp"
#include "model/layers/recurrent.hpp"
#include "model/layers/scale.hpp"
#include "model/layers/shared_dense.hpp"
#include "model/layers/shortcut.hpp"

namespace lamina {

using LayerSpec =
    std::variant<layer::Dense, layer::Activation, layer::Dropout, layer::GaussianNoise, layer::BatchNorm, layer::Scale,
                 layer::Recurrent, layer::Shortcut, layer::SharedDense, layer::Embedding, layer::NumericEmbedding>;

}  // namespace lamina
