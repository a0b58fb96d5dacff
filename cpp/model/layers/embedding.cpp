#include "model/layers/embedding.hpp"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "math/normal.hpp"
#include "model/layers/columns.hpp"

namespace lamina {
namespace {

/// What becomes of a column of categories.
struct Category {
  Index count;    ///< categories 0 .. count - 1
  Index table;    ///< row of category 0 in the table of learned vectors; -1: one-hot
  Index outputs;  ///< columns of output
  Index at;       ///< the first of them
};

template <class T> class EmbeddingLayer final : public Layer<T> {
 public:
  EmbeddingLayer(const layer::Embedding& spec, ColumnChoice columns, std::vector<Category> categories, Index table_rows)
      : Layer<T>(static_cast<Index>(columns.others().size()) + columns.count(), outputs_of(columns, categories)),
        columns_(std::move(columns)),
        categories_(std::move(categories)) {
    if (table_rows > 0) table_ = this->add_parameter("weight", table_rows, spec.units, Role::weight);
  }

  static Index outputs_of(const ColumnChoice& columns, const std::vector<Category>& categories) {
    return categories.empty() ? columns.begin() : categories.back().at + categories.back().outputs;
  }

  std::unique_ptr<Layer<T>> clone() const override { return std::make_unique<EmbeddingLayer>(*this); }

  /// N(0, 1): the size of a normalised input.
  void initialize(const Random& random, Vector<T> parameters, Vector<T>) const override {
    for (Index i = 0; i < parameters.size(); ++i)
      parameters[i] = static_cast<T>(standard_normal(random, static_cast<std::uint64_t>(i)));
  }

  std::vector<Index> category_columns() const override { return columns_.chosen(); }
  Index copied_column(Index j) const override {
    return j < columns_.begin() ? columns_.others()[static_cast<std::size_t>(j)] : -1;
  }

  void forward(const Pass<T>&, const Weights<T>& w, const Tape<T>& tape, Range rows, Scratch<T>&) const override {
    const Matrix<const T> W = table_.columns > 0 ? w.matrix(table_) : Matrix<const T>();
    for (Index i = rows.begin; i < rows.end; ++i) {
      const T* const x = tape.input.row_data(i);
      T* const y = tape.output.row_data(i);
      gather(x, columns_.others(), y);
      for (std::size_t c = 0; c < categories_.size(); ++c) {
        const Category& category = categories_[c];
        const Index k = number_of(x[columns_.chosen()[c]], category.count);
        T* const to = y + category.at;
        if (k >= 0 && category.table >= 0) {
          std::copy_n(W.row_data(category.table + k), category.outputs, to);
          continue;
        }
        std::fill_n(to, category.outputs, T(0));
        if (k < 0) continue;
        if (category.count == 2) to[0] = k == 0 ? T(1) : T(-1);
        else to[k] = T(1);
      }
    }
  }

  /// The columns handed on have the delta of theirs; categories have none.
  void backward(const Pass<T>&, const Weights<T>&, const Tape<T>& tape, const Matrix<T>& input_delta, Range rows,
                Scratch<T>&, kernels::Epilogue finished) const override {
    for (Index i = rows.begin; i < rows.end; ++i) {
      T* const to = input_delta.row_data(i);
      std::fill_n(to, this->inputs(), T(0));
      spread(tape.delta.row_data(i), columns_.others(), to);
    }
    if (finished) finished({rows, {0, this->inputs()}});
  }

  /// dE / dW[k] = the sum of the delta of the rows with category k.
  void gradients(const Tape<T>& tape, const GradientSink<T>& sink) const override {
    if (table_.rows == 0) return;
    sink.sums(table_, tape.rows(), [&](Range table, Range rows, const Matrix<T>& to) {
      for (Index i = rows.begin; i < rows.end; ++i) {
        for (std::size_t c = 0; c < categories_.size(); ++c) {
          const Category& category = categories_[c];
          if (category.table < 0) continue;
          const Index k = number_of(tape.input(i, columns_.chosen()[c]), category.count);
          const Index row = category.table + k;
          if (k < 0 || row < table.begin || row >= table.end) continue;
          T* const sum = to.row_data(row - table.begin);
          const T* const delta = tape.delta.row_data(i) + category.at;
          for (Index u = 0; u < category.outputs; ++u) sum[u] += delta[u];
        }
      }
    });
  }

 private:
  /// The category that x says; -1 where it says none.
  static Index number_of(T x, Index count) {
    if (!(x >= T(0) && x < static_cast<T>(count))) return -1;
    const auto k = static_cast<Index>(x);
    return static_cast<T>(k) == x ? k : -1;
  }

  ColumnChoice columns_;
  std::vector<Category> categories_;
  Parameter table_;
};

}  // namespace

void layer::Embedding::check() const {
  if (columns.empty()) throw std::invalid_argument("columns of Embedding must hold at least one; got none");
  check_distinct(columns, name);
  if (columns.size() == categories.size()) return;
  throw std::invalid_argument("categories of Embedding must be as many as its columns, " +
                              std::to_string(columns.size()) + "; got " + std::to_string(categories.size()));
}

template <class T> std::unique_ptr<Layer<T>> layer::Embedding::build(Index inputs) const {
  ColumnChoice choice(columns, inputs, name);
  check_width("units of Embedding", units);
  std::vector<Category> made;
  Index table = 0, at = choice.begin();
  for (const Index count : categories) {
    const bool learned = count > one_hot;
    made.push_back({count, learned ? table : -1, learned ? units : count == 2 ? 1 : count, at});
    table += learned ? count : 0;
    at += made.back().outputs;
  }
  check_elements(static_cast<double>(table) * static_cast<double>(units));
  return std::make_unique<EmbeddingLayer<T>>(*this, std::move(choice), std::move(made), table);
}
template std::unique_ptr<Layer<float>> layer::Embedding::build<float>(Index) const;
template std::unique_ptr<Layer<double>> layer::Embedding::build<double>(Index) const;

}  // namespace lamina
