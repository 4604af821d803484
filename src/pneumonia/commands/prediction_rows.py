"""The rows of `pneumonia predict`, written as they come: whoever stops it early keeps those that there are."""

import csv
import fcntl
import io
import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Literal, TextIO

from pneumonia.errors import UserError
from pneumonia.names import fitting, printable
from pneumonia.outputs import full_disk_told

COLUMNS = ["file", "label", "probability", "threshold", "model_version", "remark", "reason"]

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a cell begins with that a spreadsheet computes instead of showing it."""

LABEL_WIDTH = len("no_opacity")
"""In a table; no label is longer."""

Format = Literal["table", "csv", "json"]
Row = dict[str, object]
Write = Callable[[Row], None]


@contextmanager
def writing_rows(output: Path | None, form: Format, columns: list[str], files: Sequence[str]) -> Iterator[Write]:
    """Yield a function that writes a row, at once, to `output` or else to stdout, in UTF-8.

    `files` are what the rows will have in their column `file`. The rows for `output` go to `NAME.partial` beside it,
    which is renamed when all are written, and stays with what it has where the command is stopped or killed.

    Raises:
        UserError: that file cannot be written, or another command writes it.
    """
    with _stream(output) as stream, FORMS[form](stream, columns, files) as write:

        def write_now(row: Row) -> None:
            write(row)
            stream.flush()

        yield write_now


@contextmanager
def _stream(output: Path | None) -> Iterator[TextIO]:
    if output is None:
        stdout = io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8", newline="")
        try:
            yield stdout
        finally:
            stdout.detach()  # or it would be closed
        return
    partial = output.with_name(fitting(f"{output.name}.partial"))
    with full_disk_told(output), _open_alone(partial) as file:
        yield file
        file.flush()
        partial.replace(output)


def _open_alone(path: Path) -> TextIO:
    """Open `path` to write it anew. It is locked until it is closed; a killed process leaves no lock."""
    try:
        file = path.open("a", encoding="utf-8", newline="")  # what another command has in it stays
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not path.exists() or not os.path.samestat(path.stat(), os.fstat(file.fileno())):
            raise BlockingIOError  # the other command has just renamed it
    except BlockingIOError as error:
        raise UserError(f"{path}: another command writes it; --output may be another file") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be written ({error.strerror})") from error
    file.truncate(0)
    return file


@contextmanager
def _csv(stream: TextIO, columns: list[str], files: Sequence[str]) -> Iterator[Write]:
    # Python leaves a carriage return bare.
    bare = any("\r" in file for file in files)
    writer = csv.DictWriter(
        stream, columns, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC if bare else csv.QUOTE_MINIMAL
    )
    writer.writeheader()

    def write(row: Row) -> None:
        file = str(row["file"])
        # Another path to the same file, which no spreadsheet takes for a formula.
        writer.writerow({**row, "file": f"./{file}" if file.startswith(FORMULA) else file})

    yield write


@contextmanager
def _json(stream: TextIO, columns: list[str], files: Sequence[str]) -> Iterator[Write]:
    before = "[\n  "

    def write(row: Row) -> None:
        nonlocal before
        text = json.dumps({column: row.get(column) for column in columns}, indent=2, ensure_ascii=False)
        stream.write(before + text.replace("\n", "\n  "))
        before = ",\n  "

    yield write
    stream.write("\n]\n")


@contextmanager
def _table(stream: TextIO, columns: list[str], files: Sequence[str]) -> Iterator[Write]:
    widths = {column: len(column) for column in columns}
    widths["file"] = max(len("file"), *(len(printable(file)) for file in files))
    widths["label"] = LABEL_WIDTH

    def write(row: Row) -> None:
        texts = {name: f"{value:.4f}" if isinstance(value, float) else str(value) for name, value in row.items()}
        texts |= {name: printable(texts[name]) for name in ("file", "reason") if row.get(name)}
        cells = (texts.get(column, "").ljust(widths[column]) for column in columns)
        stream.write("  ".join(cells).rstrip() + "\n")

    write({column: column for column in columns})
    yield write


FORMS: dict[Format, Callable[[TextIO, list[str], Sequence[str]], AbstractContextManager[Write]]] = {
    "csv": _csv,
    "json": _json,
    "table": _table,
}
