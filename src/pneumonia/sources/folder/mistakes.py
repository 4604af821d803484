"""Mistakes in a table, told all at once."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from pneumonia.errors import UserError, few

_ROWS_TOLD, _MISTAKES_TOLD = 10, 20


@dataclass
class Mistakes:
    """What is wrong in which rows, which are numbered as a spreadsheet does."""

    table: str
    rows: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    hints: list[str] = field(default_factory=list)
    """What to do about them."""

    def add(self, what: str, rows: Iterable[int]) -> None:
        """Note a kind of mistake, and the rows that have it."""
        self.rows[what].extend(rows)

    def in_words(self) -> str:
        """All of them; empty where there are none."""
        if not self.rows:
            return ""
        told = [f"{what} ({_told(rows)})" for what, rows in self.rows.items()]
        more = [f"{len(told) - _MISTAKES_TOLD} more mistakes"] if len(told) > _MISTAKES_TOLD else []
        return "; ".join([f"{self.table}: {told[0]}", *told[1:_MISTAKES_TOLD], *more, *self.hints])


def tell(of_tables: Sequence[Mistakes]) -> None:
    """Raise the mistakes of all tables in one line, if there are any.

    Raises:
        UserError: there are.
    """
    if told := [mistakes.in_words() for mistakes in of_tables if mistakes.rows]:
        raise UserError("; ".join(told))


def _told(rows: list[int]) -> str:
    return ("row " if len(rows) == 1 else "rows ") + few([str(row) for row in sorted(rows)], _ROWS_TOLD)
