"""Mistakes in a table, told all at once."""

from collections import defaultdict
from collections.abc import Iterable
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

    def tell(self) -> None:
        """Raise all of them in one line, if there are any.

        Raises:
            UserError: there are.
        """
        if not self.rows:
            return
        told = [f"{what} ({_told(rows)})" for what, rows in self.rows.items()]
        more = [f"{len(told) - _MISTAKES_TOLD} more mistakes"] if len(told) > _MISTAKES_TOLD else []
        raise UserError("; ".join([f"{self.table}: {told[0]}", *told[1:_MISTAKES_TOLD], *more, *self.hints]))


def _told(rows: list[int]) -> str:
    return ("row " if len(rows) == 1 else "rows ") + few([str(row) for row in sorted(rows)], _ROWS_TOLD)
