"""Tables in files of columns, Parquet and Arrow (Feather), as pyarrow reads them."""

from __future__ import annotations

import io
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

from lamina.cli.text_table import TableError, TableFile
from lamina.extras import how_to_install

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["read_columns"]

# What pandas calls the column that an index became.
_INDEX = "__index_level_"


def read_columns(
    source: TableFile,
    kind: str,
    wanted: Callable[[str], bool] = lambda name: True,
    unused: Collection[str] = (),
    texts: Collection[str] = (),
) -> tuple[pd.DataFrame, list[str]]:
    """Return the table in a file of `kind`, as `TableFile.columnar` names it, and notes for the user.

    Numbers with gaps are float64, texts are objects, missing ones None; dates are datetime64, categories stay such.
    Whole numbers in the columns of `texts` are text, with all their digits.
    TableError for lists and the like in a column, but in an `unused` one.
    """
    table = _table(source, kind)
    if len(set(table.column_names)) < table.num_columns:
        doubled = next(name for name in table.column_names if table.column_names.count(name) > 1)
        raise TableError(f"{source.path} has the column {doubled!r} more than once; rename one of them")
    notes, names = [], []
    for name in table.column_names:
        if name.startswith(_INDEX):
            notes.append("an index of rows without a name, which pandas wrote: left out")
        elif wanted(name):
            names.append(name)
    if not table.num_rows:
        raise TableError(f"{source.path} has 0 rows: no row to predict or to train on")
    return _frame(table.select(names), source.path, unused, texts), notes


def _table(source: TableFile, kind: str) -> Any:
    try:
        from pyarrow import ArrowException, ipc, parquet
    except ImportError:
        raise TableError(f"{source.path} is {kind}, which needs pyarrow; {how_to_install(['pyarrow'])}") from None
    with source.open() as file:
        held = file if isinstance(file, io.BufferedReader) else io.BytesIO(file.read())
        try:
            if "Parquet" in kind:
                return parquet.read_table(held)
            return (ipc.open_stream(held) if "stream" in kind else ipc.open_file(held)).read_all()
        except (ArrowException, OSError, EOFError) as error:
            raise TableError(f"{source.path} is {kind}, and cut short or damaged: {error}") from None


def _frame(table: Any, path: str, unused: Collection[str], texts: Collection[str]) -> pd.DataFrame:
    from pyarrow import types

    for place, field in enumerate(table.schema):
        strange = types.is_nested(field.type) or types.is_binary(field.type) or types.is_large_binary(field.type)
        if strange and field.name not in unused:
            raise TableError(
                f"{path}: column {field.name!r} holds {field.type}, and must hold numbers, texts, true and false, or "
                f"dates; leave it out by --drop {field.name}"
            )
        if types.is_decimal(field.type):
            table = table.set_column(place, field.name, table.column(place).cast("float64"))
        elif types.is_null(field.type) or (types.is_integer(field.type) and field.name in texts):
            table = table.set_column(place, field.name, table.column(place).cast("string"))
    frame = table.to_pandas(date_as_object=False, ignore_metadata=True)
    strings = [name for name, values in frame.items() if getattr(values.dtype, "name", "") in ("str", "string")]
    return frame.assign(**{name: frame[name].astype(object).where(frame[name].notna(), None) for name in strings})
