"""The words that stand for a missing value among numbers, whoever reads them."""

__all__ = ["MISSING_NUMBERS", "stands_for_missing"]

#: Without blanks around them, case folded. In a column of text they are categories.
MISSING_NUMBERS = frozenset(
    [*" na n/a #n/a #na nan -nan null none <na> 1.#ind -1.#ind 1.#qnan -1.#qnan ? - -- .".split(" "), "#n/a n/a"]
)


def stands_for_missing(text: str) -> bool:
    """Whether a text among numbers or dates is a missing value: one of those words, or blanks alone."""
    word = text.strip().casefold()
    return not word or word in MISSING_NUMBERS
