"""The epochs of a training, in its MLflow run."""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import mlflow
from mlflow import MlflowClient
from mlflow.entities import Metric
from mlflow.exceptions import MlflowException

from pneumonia.registry.outage import briefly, reason_of

log = logging.getLogger(__name__)

Row = dict[str, float]

SECONDS_BETWEEN_TRIES = 5


def log_epochs(run_id: str, rows: Iterable[Row]) -> None:
    """Log rows of the history as `epoch/…` metrics, each at the step of its epoch.

    Raises:
        MlflowException: the store does not answer.
    """
    for row in rows:
        MlflowClient().log_batch(run_id, _metrics(row))


def log_missing_epochs(run_id: str, rows: Iterable[Row]) -> None:
    """Log those of `rows` that the run does not have.

    Raises:
        MlflowException: the store does not answer.
    """
    there = {metric.step for metric in MlflowClient().get_metric_history(run_id, "epoch/loss")}
    log_epochs(run_id, [row for row in rows if int(row["epoch"]) not in there])


@contextmanager
def epochs_logged(run_id: str) -> Iterator[Callable[[Row], None]]:
    """Yield a function that has a row logged, as `log_epochs` does, and returns at once.

    A thread does it. While the store does not answer the rows wait, and are logged when it answers again. At the end of
    the block MLflow's own patience is spent on those that wait; where an exception ends it, none.

    Raises:
        MlflowException: the store does not answer at the end.
    """
    rows = _WaitingRows(run_id)
    thread = threading.Thread(target=rows.log_until_closed, daemon=True)
    with briefly():  # nothing else asks the store meanwhile
        thread.start()
        try:
            yield rows.add
        finally:
            rows.close()
            thread.join()
    rows.log()


class _WaitingRows:
    """Rows on their way to a run. Their time is that of their coming, so a row that is sent twice is logged once."""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        self.waiting: list[list[Metric]] = []
        self.changed, self.closed, self.failing = threading.Condition(), False, False

    def add(self, row: Row) -> None:
        with self.changed:
            self.waiting.append(_metrics(row))
            self.changed.notify()

    def close(self) -> None:
        with self.changed:
            self.closed = True
            self.changed.notify()

    def log_until_closed(self) -> None:
        while True:
            with self.changed:
                self.changed.wait_for(lambda: self.closed or (self.waiting and not self.failing), SECONDS_BETWEEN_TRIES)
                last = self.closed
            self._try()
            if last:
                return

    def log(self) -> None:
        """Log all that wait; those that are logged wait no longer, also where one fails."""
        while self.waiting:
            MlflowClient().log_batch(self.run_id, self.waiting[0])
            with self.changed:
                del self.waiting[0]

    def _try(self) -> None:
        try:
            self.log()
        except MlflowException as error:
            if not self.failing:
                store = mlflow.get_tracking_uri()
                log.warning("MLflow store %s does not answer (%s): epochs wait to be logged", store, reason_of(error))
            self.failing = True
        else:
            if self.failing:
                log.warning("MLflow answers again: the epochs that waited are logged")
            self.failing = False


def _metrics(row: Row) -> list[Metric]:
    now = int(time.time() * 1000)
    return [Metric(f"epoch/{name}", value, now, int(row["epoch"])) for name, value in row.items() if name != "epoch"]
