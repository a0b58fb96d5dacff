"""What the core is written in: Eigen's expressions for formulas, kernels of our own for what has to have the same bits.

Some of Eigen gives other bits on another machine: reductions and products go by the size of its packets and of the
caches, elementary functions are approximations of its own, max and min differ where there is NaN. The C library's
functions differ from one library to the next. Neither may be used outside `cpp/kernels/`.
"""

import re
from pathlib import Path

import pytest

CPP = Path(__file__).resolve().parents[1] / "cpp"
pytestmark = pytest.mark.skipif(not CPP.is_dir(), reason="the sources are not here")

REDUCTIONS = "sum mean prod norm squaredNorm stableNorm lpNorm trace maxCoeff minCoeff redux"
PRODUCTS = "dot cross llt ldlt lu qr inverse determinant noalias"
FUNCTIONS = "exp exp2 expm1 log log1p log2 log10 tanh sinh cosh sin cos tan asin acos atan pow rsqrt logistic erf cbrt"
NAN = "max min cwiseMax cwiseMin"
NO_ARGUMENT = r"\.matrix\(\)"  # ours has one: `Weights::matrix(parameter)`
MEMBERS = "|".join(f"{REDUCTIONS} {PRODUCTS} {FUNCTIONS} {NAN}".split())
OF_EIGEN = re.compile(rf"(?:\.|\.template )(?:{MEMBERS})\s*(?:<[^>]*>)?\(|{NO_ARGUMENT}")
OF_THE_LIBRARY = re.compile(
    r"\bstd::(exp|exp2|expm1|log|log1p|log2|log10|tanh|sinh|cosh|sin|cos|tan|pow|erf|cbrt|hypot)\("
)
HEADERS = re.compile(r"#\s*include\s*<(Eigen/(?!Core>)[^>]+|unsupported/[^>]+)>")
MATRIX_TYPES = re.compile(r"\bEigen::(Matrix|VectorX|RowVectorX|MatrixX)")
COMMENT = re.compile(r"//[^\n]*|/\*.*?\*/", re.DOTALL)
STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"')


def code(path):
    """The file without comments and texts."""
    return STRING.sub('""', COMMENT.sub("", path.read_text()))


def name(path):
    return path.relative_to(CPP).as_posix()


CORE = sorted(p for folder in ("core", "math", "model", "train", "lamina") for p in (CPP / folder).rglob("*.[ch]pp"))
BIND = sorted((CPP / "bind").glob("*.[ch]pp"))


def lines_of(text, pattern):
    return [line.strip() for line in text.splitlines() if pattern.search(line)]


@pytest.mark.parametrize("path", CORE, ids=name)
def test_what_depends_on_the_machine_stays_in_the_kernels(path):
    text = code(path)
    found = {
        what: lines
        for what, pattern in {
            "Eigen's reductions, products and functions": OF_EIGEN,
            "the C library's functions": OF_THE_LIBRARY,
            "Eigen's headers beyond Core": HEADERS,
            "Eigen's matrices, whose * is a product": MATRIX_TYPES,
        }.items()
        if (lines := lines_of(text, pattern))
        and not (pattern is MATRIX_TYPES and path.name == "lamina.hpp")  # what C++ programs have
    }
    assert not found


ARITHMETIC = re.compile(
    r"""
      \b(?:double|float|T)\s+\w+\s*=[^=;]*[\w)\]]\s[-+*/]\s  # a number that is computed
    | static_cast<(?:double|float|T)>\([^;]*\)\s[-+*/]\s|\s[-+*/]\sstatic_cast<(?:double|float|T)>
    | [\w)\]]\s[-*/]=\s                                     # in place
    | \bEigen::|\.(?:vector\(\)|array\(\)|row\w*\(|colwise\()[^;]*\s[-+*/]  # an expression of arrays
    | \bsimd::|"kernels/(?:elementary|simd|product|strided)
    | \.(?:factor|constants|advance|update)\(                # a schedule's or an optimizer's formula
    | \bstd::(?:exp|log|sqrt|pow|accumulate|inner_product|transform)\b
    """,
    re.VERBOSE,
)


@pytest.mark.parametrize("path", BIND, ids=name)
def test_nothing_is_computed_in_bind(path):
    """The bindings are compiled once, for the least of machines, and linked with the core of every level."""
    assert lines_of(code(path), ARITHMETIC) == []
