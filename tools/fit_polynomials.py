"""Fit the polynomials of cpp/kernels/elementary.hpp and write cpp/kernels/coefficients.hpp.

Run it again after changing an interval, a degree or a functional form below; the build never needs it.

    pip install mpmath
    python tools/fit_polynomials.py > cpp/kernels/coefficients.hpp
    clang-format -i cpp/kernels/coefficients.hpp

Each polynomial is the weighted least-squares fit on a Chebyshev grid (40 digits), which is within a small factor of the
minimax fit. The weight makes the error the relative error of the finished function. Coefficients are rounded to the
target type one at a time, from the lowest degree up, and the rest is fitted anew after each, so that the later ones
absorb the rounding of the earlier ones.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

import mpmath
from mpmath import mpf

mpmath.mp.dps = 40

Function = Callable[[mpf], mpf]


@dataclass(frozen=True)
class Form:
    """Approximate target(x) by a polynomial in variable(x) on [low, high]; the error counts times weight(x)."""

    name: str
    note: str
    target: Function
    variable: Function
    weight: Function
    low: mpf
    high: dict[str, mpf]
    degree: dict[str, int]


def round_to(value: mpf, scalar: str) -> mpf:
    """Round to the nearest float or double."""
    nearest = float(value)
    if scalar == "double":
        return mpf(nearest)
    below = struct.unpack("f", struct.pack("f", nearest))[0]
    step = mpf(2) ** (mpmath.floor(mpmath.log(abs(value), 2)) - 23)
    return min((mpf(below) + k * step for k in (-1, 0, 1)), key=lambda c: abs(c - value))


def split(value: mpf, sizes: list[int], scalar: str) -> list[mpf]:
    """Parts with so many bits each (truncated, so that small multiples are exact), then the rounded rest."""
    parts = []
    for size in sizes:
        unit = mpf(2) ** (mpmath.floor(mpmath.log(abs(value), 2)) - size + 1)
        parts.append(mpmath.floor(value / unit) * unit)
        value -= parts[-1]
    return [*parts, round_to(value, scalar)]


def least_squares(targets: list[mpf], basis: list[list[mpf]]) -> list[mpf]:
    """Coefficients of the basis (one row per grid point) with the least sum of squares; 40 digits bear the squaring."""
    columns = [list(column) for column in zip(*basis, strict=True)]
    normal = mpmath.matrix([[mpmath.fdot(p, q) for q in columns] for p in columns])
    return list(mpmath.lu_solve(normal, mpmath.matrix([mpmath.fdot(p, targets) for p in columns])))


def fit(form: Form, scalar: str) -> tuple[list[mpf], mpf]:
    """Coefficients in ascending order, exact in `scalar`, and the largest weighted error."""
    degree, low, high = form.degree[scalar], form.low, form.high[scalar]
    points = 10 * (degree + 2)
    middle, half = (low + high) / 2, (high - low) / 2
    grid = [middle - half * mpmath.cos(mpmath.pi * (2 * i + 1) / (2 * points)) for i in range(points)]
    weights = [form.weight(x) for x in grid]
    powers = [[w * form.variable(x) ** j for j in range(degree + 1)] for x, w in zip(grid, weights, strict=True)]
    rest = [w * form.target(x) for x, w in zip(grid, weights, strict=True)]
    coefficients: list[mpf] = []
    for j in range(degree + 1):
        free = least_squares(rest, [row[j:] for row in powers])
        coefficients.append(round_to(free[0], scalar))
        rest = [r - coefficients[-1] * row[j] for r, row in zip(rest, powers, strict=True)]
    return coefficients, max(abs(r) for r in rest)


def erfcx(a: mpf) -> mpf:
    """exp(a^2) erfc(a), for a >= 0."""
    return mpmath.exp(a * a) * mpmath.erfc(a)


def both(value: mpf) -> dict[str, mpf]:
    """Give float and double the same interval end."""
    return {"float": value, "double": value}


def exp_target(r: mpf) -> mpf:
    """(exp(r) - 1 - r) / r^2."""
    with mpmath.workdps(80):
        return (mpmath.expm1(r) - r) / r**2


def scaled_erfcx(a: mpf) -> mpf:
    """(1 + 2a) erfcx(a): 1 at 0, 2/sqrt(pi) at infinity, never far from either."""
    return (1 + 2 * a) * erfcx(a)


def to_unit(a: mpf) -> mpf:
    """Map [0, infinity] to [-1, 1]; 2.5 needs the fewest terms."""
    return (a - mpf("2.5")) / (a + mpf("2.5"))


def from_unit(t: mpf) -> mpf:
    """Invert `to_unit`."""
    return mpf("2.5") * (1 + t) / (1 - t)


HALF_LN2 = mpmath.log(2) / 2 * mpf("1.002")
LOG_LIMIT = (mpmath.sqrt(2) - 1) / (mpmath.sqrt(2) + 1) * mpf("1.0001")
QUARTER_PI = mpmath.pi / 4 * mpf("1.002")
TINY = mpf(0)

FORMS = [
    Form(
        "exp",
        "exp(r) = 1 + r + r^2 P(r), abs(r) <= ln(2)/2",
        exp_target,
        lambda r: r,
        abs,
        -HALF_LN2,
        both(HALF_LN2),
        {"float": 4, "double": 9},
    ),
    Form(
        "log",
        "log((1+s)/(1-s)) = 2s + s^3 P(s^2), abs(s) <= (sqrt(2)-1)/(sqrt(2)+1)",
        lambda s: 2 * (mpmath.atanh(s) - s) / s**3,
        lambda s: s * s,
        lambda s: s**3 / (2 * mpmath.atanh(s)),
        TINY,
        both(LOG_LIMIT),
        {"float": 2, "double": 6},
    ),
    Form(
        "tanh",
        "tanh(x) = x + x^3 P(x^2), abs(x) <= 0.55",
        lambda x: (mpmath.tanh(x) - x) / x**3,
        lambda x: x * x,
        lambda x: x**3 / mpmath.tanh(x),
        TINY,
        both(mpf("0.55")),
        {"float": 4, "double": 10},
    ),
    Form(
        "atan",
        "atan(z) = z + z^3 P(z^2), abs(z) <= 1/2",
        lambda z: (mpmath.atan(z) - z) / z**3,
        lambda z: z * z,
        lambda z: z**3 / mpmath.atan(z),
        TINY,
        both(mpf("0.5001")),
        {"float": 4, "double": 11},
    ),
    Form(
        "erfcx",
        "(1+2a) exp(a^2) erfc(a) = 1 + (1+t) P(t), t = (a-2.5)/(a+2.5), 0 <= a <= 27.3",
        lambda t: (scaled_erfcx(from_unit(t)) - 1) / (1 + t),
        lambda t: t,
        lambda t: (1 + t) / scaled_erfcx(from_unit(t)),
        mpf(-1),
        {"float": to_unit(mpf("10.2")), "double": to_unit(mpf("27.3"))},
        {"float": 8, "double": 23},
    ),
    Form(
        "sin",
        "sin(r) = r + r^3 P(r^2), abs(r) <= pi/4",
        lambda r: (mpmath.sin(r) - r) / r**3,
        lambda r: r * r,
        lambda r: r**3 / mpmath.sin(r),
        TINY,
        both(QUARTER_PI),
        {"float": 2, "double": 5},
    ),
    Form(
        "cos",
        "cos(r) = 1 - r^2/2 + r^4 P(r^2), abs(r) <= pi/4",
        lambda r: (mpmath.cos(r) - 1 + r * r / 2) / r**4,
        lambda r: r * r,
        lambda r: r**4 / mpmath.cos(r),
        TINY,
        both(QUARTER_PI),
        {"float": 2, "double": 5},
    ),
]

HEAD = """\
/// Polynomials and split constants of kernels/elementary.hpp, in ascending order of degree.
///
/// Written by tools/fit_polynomials.py: do not edit. Run that again after changing an interval, a degree or a form
/// there. Each note gives the form and the largest relative error that the polynomial adds to the function, in ULP.
#pragma once

namespace lamina::simd {

template <class T>
struct Coefficients;
"""


def constants(scalar: str) -> list[tuple[str, mpf, str]]:
    """Name, value and note of the constants; `_high` parts times an exponent or a quadrant number are exact."""
    bits = 24 if scalar == "float" else 53
    ln2 = split(mpmath.log(2), [15 if scalar == "float" else 41], scalar)
    quadrant = split(mpmath.pi / 2, [bits - 12] * 2, scalar)
    return [
        ("log2_e", round_to(1 / mpmath.log(2), scalar), "1 / ln 2"),
        ("ln2_high", ln2[0], "ln 2 in two parts"),
        ("ln2_low", ln2[1], ""),
        ("two_over_pi", round_to(2 / mpmath.pi, scalar), ""),
        ("half_pi_high", quadrant[0], "pi/2 in three parts"),
        ("half_pi_middle", quadrant[1], ""),
        ("half_pi_low", quadrant[2], ""),
        ("half_pi", round_to(mpmath.pi / 2, scalar), "and what it lacks to pi/2"),
        ("half_pi_rest", round_to(mpmath.pi / 2 - round_to(mpmath.pi / 2, scalar), scalar), ""),
        ("sqrt_half", round_to(mpmath.sqrt(mpf(1) / 2), scalar), ""),
        ("sqrt_two", round_to(mpmath.sqrt(2), scalar), "and what it lacks to sqrt(2)"),
        ("sqrt_two_rest", round_to(mpmath.sqrt(2) - round_to(mpmath.sqrt(2), scalar), scalar), ""),
        ("inverse_sqrt_two_pi", round_to(1 / mpmath.sqrt(2 * mpmath.pi), scalar), ""),
    ]


def literal(value: mpf, scalar: str) -> str:
    """Write a C++ literal that reads back as exactly this value."""
    text = f"{float(value):.9g}" if scalar == "float" else f"{float(value):.17g}"
    if not set(text) & set(".e"):
        text += ".0"
    return text + ("f" if scalar == "float" else "")


def main() -> None:
    """Print coefficients.hpp."""
    print(HEAD)
    for scalar in ("float", "double"):
        print(f"template <>\nstruct Coefficients<{scalar}> {{")
        for name, value, note in constants(scalar):
            remark = f"  // {note}" if note else ""
            print(f"  static constexpr {scalar} {name} = {literal(value, scalar)};{remark}")
        for form in FORMS:
            coefficients, error = fit(form, scalar)
            ulp = error * mpf(2) ** (23 if scalar == "float" else 52)
            print(f"\n  /// {form.note}: {mpmath.nstr(ulp, 2)} ULP.")
            print(f"  static constexpr {scalar} {form.name}[] = {{")
            for c in coefficients:
                print(f"      {literal(c, scalar)},")
            print("  };")
        print("};\n")
    print("}  // namespace lamina::simd")


if __name__ == "__main__":
    main()
