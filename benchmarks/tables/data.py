"""The tables, where they come from, and how their rows are split; `python benchmarks/tables/data.py` fetches them."""

import argparse
import os
import shutil
import subprocess
import sys
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

CACHE = Path(__file__).parent / ".cache"
SPLITS = 5
TEST_PART, MOST_TEST_ROWS = 0.25, 10_000
# Training and validation rows together, and the validation rows' part of them.
MOST_ROWS, VALIDATION_PART = 6_000, 0.2

EXPORT = """
arguments <- commandArgs(TRUE)
values <- new.env()
data(list = arguments[1], package = arguments[2], envir = values)
write.csv(get(arguments[1], values), arguments[3], row.names = FALSE)
"""
PACKAGES = {package: f"r-cran-{package}" for package in ("kernlab", "mlbench", "modeldata", "ggplot2")}


@dataclass(frozen=True)
class Table:
    name: str
    package: str  # of R, or "sklearn"
    target: str
    kind: str  # "classes" or "numbers"
    log: bool = False  # of the target
    categories: str = "text"  # which columns are categories: those with text, or "all"
    dataset: str = ""  # its name in the package, where that is not the table's


def _named(*tables):
    return {table.name: table for table in tables}


# Those a recipe may be developed on. Constants that fit one of them alone have no place in it.
DEVELOPMENT = _named(
    Table("spam", "kernlab", "type", "classes"),
    Table("satellite", "mlbench", "classes", "classes", dataset="Satellite"),
    Table("vehicle", "mlbench", "Class", "classes", dataset="Vehicle"),
    Table("soybean", "mlbench", "Class", "classes", categories="all", dataset="Soybean"),
    Table("dna", "mlbench", "Class", "classes", dataset="DNA"),
    Table("credit", "modeldata", "Status", "classes", dataset="credit_data"),
    Table("attrition", "modeldata", "Attrition", "classes"),
    Table("concrete", "modeldata", "compressive_strength", "numbers"),
    Table("ames", "modeldata", "Sale_Price", "numbers", log=True),
    Table("sacramento", "modeldata", "price", "numbers", log=True, dataset="Sacramento"),
    Table("diamonds", "ggplot2", "price", "numbers", log=True),
    Table("car_prices", "modeldata", "Price", "numbers"),
)
# Part of scikit-learn: nothing to fetch.
BUILT_IN = _named(
    Table("breast_cancer", "sklearn", "target", "classes"),
    Table("wine", "sklearn", "target", "classes"),
    Table("digits", "sklearn", "target", "classes"),
    Table("diabetes", "sklearn", "target", "numbers"),
)
TABLES = DEVELOPMENT | BUILT_IN


@dataclass
class Rows:
    """Some rows: the columns as a data frame, and the target as class numbers or float64."""

    X: pd.DataFrame
    y: np.ndarray

    def __len__(self):
        return len(self.y)


@dataclass
class Split:
    """What every engine sees of a table: the same rows in the same order, and the same columns as categories."""

    table: Table
    number: int
    training: Rows
    validation: Rows
    test: Rows
    classes: int  # 0 for regression
    checksum: str  # of all the rows' numbers and targets

    @property
    def categorical(self):
        return [name for name, kind in self.training.X.dtypes.items() if isinstance(kind, pd.CategoricalDtype)]

    @property
    def numeric(self):
        return [name for name in self.training.X.columns if name not in self.categorical]


def fetch(table: Table, cache=CACHE):
    """The table as a CSV file in the cache, exported from the R package if it is not there yet."""
    path = Path(cache) / f"{table.name}.csv"
    if path.exists():
        return path
    if shutil.which("Rscript") is None:
        raise RuntimeError(f"no Rscript to read '{table.name}' with: apt-get install {' '.join(needed([table]))}")
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}.part")
    command = ["Rscript", "--vanilla", "-e", EXPORT, table.dataset or table.name, table.package, str(part)]
    run = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "LC_ALL": "C.UTF-8"})
    if run.returncode or not part.exists():
        part.unlink(missing_ok=True)
        why = (run.stderr.strip().splitlines() or ["no message"])[-1]
        raise RuntimeError(f"R cannot export '{table.name}' ({why}): apt-get install {' '.join(needed([table]))}")
    part.replace(path)
    return path


def needed(tables):
    """Debian's packages that have these tables."""
    packages = sorted({PACKAGES[table.package] for table in tables if table.package in PACKAGES})
    return ["r-base-core", *packages] if packages else []


def read(table: Table, cache=CACHE):
    """The table as a data frame with its target, as a user would have it."""
    if table.package == "sklearn":
        from sklearn import datasets

        return getattr(datasets, f"load_{table.dataset or table.name}")(as_frame=True).frame
    # "None" is a value in ames, so that missing is NA and nothing else.
    return pd.read_csv(fetch(table, cache), keep_default_na=False, na_values=["NA"])


def columns_and_target(table: Table, frame: pd.DataFrame):
    """Columns with the categories declared, the target as numbers, and the number of classes (0: regression)."""
    target, X = frame[table.target], frame.drop(columns=table.target)
    for name in X.columns:
        if table.categories == "all" or not pd.api.types.is_numeric_dtype(X[name]):
            X[name] = X[name].astype("category")
    if table.kind == "classes":
        classes, y = np.unique(target.astype(str), return_inverse=True)
        return X, y, len(classes)
    y = target.to_numpy(np.float64)
    return X, np.log(y) if table.log else y, 0


def split_rows(y, classes, number):
    """Row numbers for training, validation and test; each class in all three by its share.

    NumPy promises that the legacy generator's draws stay what they are, so that results of other years compare.
    """
    random = np.random.RandomState(number)
    position = np.empty(len(y))
    for label in range(max(classes, 1)):
        rows = random.permutation(np.flatnonzero(y == label) if classes else len(y))
        position[rows] = (np.arange(len(rows)) + random.uniform()) / max(len(rows), 1)
    # Any piece of this order has the classes by their share.
    order = np.lexsort((random.permutation(len(y)), position))
    held_out = round(TEST_PART * len(y))
    test, rest = _evenly(order[:held_out], MOST_TEST_ROWS), _evenly(order[held_out:], MOST_ROWS)
    n_validation = round(VALIDATION_PART * len(rest))
    return tuple(random.permutation(rows) for rows in (rest[n_validation:], rest[:n_validation], test))


def _evenly(rows, most):
    """At most so many of the rows, taken at even distances."""
    return rows if len(rows) <= most else rows[np.arange(most) * len(rows) // most]


def load(name, number, cache=CACHE):
    table = TABLES[name]
    X, y, classes = columns_and_target(table, read(table, cache))
    parts = split_rows(y, classes, number)
    checksum = 0
    for rows in parts:
        for values in (rows.astype("<i8"), np.ascontiguousarray(y[rows], "<f8")):
            checksum = zlib.crc32(values.tobytes(), checksum)
    rows = [Rows(X.iloc[part].reset_index(drop=True), y[part]) for part in parts]
    return Split(table, number, *rows, classes, f"{checksum:08x}")


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help=f"default: {' '.join(DEVELOPMENT)}")
    parser.add_argument("--cache", type=Path, default=CACHE, help="folder for the fetched tables")
    options = parser.parse_args(argv)
    if unknown := set(options.names) - set(TABLES):
        parser.error(f"no table {', '.join(sorted(unknown))}; there are {', '.join(TABLES)}")
    for name in options.names or DEVELOPMENT:
        try:
            split = load(name, 0, options.cache)
        except RuntimeError as e:
            every = " ".join(needed([TABLES[n] for n in options.names or DEVELOPMENT]))
            sys.exit(f"{e}\nfor all of them: apt-get install --no-install-recommends {every}")
        parts = "/".join(str(len(part)) for part in (split.training, split.validation, split.test))
        missing = int(split.training.X.isna().sum().sum())
        print(
            f"{name:<14}{split.classes or 'no':>3} classes, {len(split.numeric):>3} numeric, "
            f"{len(split.categorical):>2} categorical, rows {parts}, {missing} missing, split {split.checksum}"
        )


if __name__ == "__main__":
    main()
