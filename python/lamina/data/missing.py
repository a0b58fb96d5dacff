"""The words that stand for a missing value among numbers, whoever reads them."""

__all__ = ["MISSING_NUMBERS"]

#: Without blanks around them, case folded. In a column of text they are categories.
MISSING_NUMBERS = frozenset(
    [*" na n/a #n/a #na nan -nan null none <na> 1.#ind -1.#ind 1.#qnan -1.#qnan ? - -- .".split(" "), "#n/a n/a"]
)
