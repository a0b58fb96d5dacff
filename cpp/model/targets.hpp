/// Targets that a caller gives: whether a loss takes them, and which classes they tell.
#pragma once

#include <string>
#include <vector>

#include "model/samples.hpp"

namespace lamina {

/// Throws std::invalid_argument, which calls the targets `name`, unless the loss takes them for so many outputs: labels
/// in 0 .. outputs - 1, or finite values within its domain. Of sequences with a target by step only steps that count
/// are looked at.
template <class T>
void check_targets(const Loss& loss, const Samples<T>& samples, Index outputs, const std::string& name);

/// Numbers as labels. Throws std::invalid_argument, which calls them `name`, unless each is whole and in 0 .. classes
/// - 1.
void labels_of(const Vector<const double>& numbers, Index classes, const std::string& name, std::int32_t* to);

/// Labels (0 or 1 for one output) as the rows of values that a binary loss takes: zeros with a one. Labels out of range
/// give rows of zeros.
template <class T> void one_hot(const std::int32_t* labels, Matrix<T> to);

/// The class of every row of targets: the label, the largest of one-hot values, the side of the border of a single
/// binary one. Empty where they are no classes: numbers, or several labels that go together.
template <class T> std::vector<std::int32_t> classes_of(const Loss& loss, const Samples<T>& samples, Index outputs);

/// Throws std::invalid_argument where classes are to be learned, but all samples, of which there are several, are of
/// one.
template <class T> void need_two_classes(const Loss& loss, const Samples<T>& samples, Index outputs);

}  // namespace lamina
