"""What a killed process leaves in the store: a run that says it is running, a version of which nobody decided.

A run names the process that writes it. One whose process is gone is marked as killed; if training resumes it, it runs
again. A mark that was wrong, as of a process in a container of the same name, harms nothing: a run that is marked as
killed can be written, and says how it ended when it ends.
"""

import os
import platform
from functools import partial

import psutil
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

from pneumonia.registry.finding import every

FINISHED = "pneumonia.evaluated"
"""The tag of a run whose evaluation is complete: it is never written to again."""

PROCESS = "pneumonia.process"
"""The tag of a run that says which process writes it: the machine, its number, and when it began."""


def this_process() -> str:
    """This process, as `PROCESS` has it."""
    return f"{platform.node()} {os.getpid()} {psutil.Process().create_time():.0f}"


def mark_killed_runs(client: MlflowClient, experiment_id: str) -> None:
    """Mark runs of the experiment as killed that say they are running, and whose process on this machine is gone."""
    search = partial(client.search_runs, [experiment_id], "attributes.status = 'RUNNING'")
    for run in list(every(search)):
        if _is_gone(run.data.tags.get(PROCESS, "")):
            client.set_terminated(run.info.run_id, "KILLED")


def mark_undecided_versions(client: MlflowClient, name: str, newest: str, champion: str | None) -> None:
    """Tag those versions of the registered model `name` of which nobody will decide, since their evaluation was killed.

    These have no decision, and belong to the run of the version `newest`, which goes on with that one, or to a run that
    does not go on and was not evaluated. The `champion` among them was killed after it had become that, and stays it.
    """
    goes_on = client.get_model_version(name, newest).run_id
    for version in list(every(partial(client.search_model_versions, f"name='{name}'"))):
        if "decision" in version.tags or str(version.version) == newest:
            continue
        if (goes_on and version.run_id == goes_on) or _has_ended(client, str(version.run_id)):
            became = "champion" if str(version.version) == champion else "none"
            client.set_model_version_tag(name, version.version, "decision", f"{became}: its evaluation was killed")


def _is_gone(process: str) -> bool:
    machine, *numbers = process.rsplit(" ", 2)
    if machine != platform.node() or len(numbers) != 2:
        return False
    try:
        return abs(psutil.Process(int(numbers[0])).create_time() - int(numbers[1])) > 2
    except psutil.NoSuchProcess:
        return True


def _has_ended(client: MlflowClient, run_id: str) -> bool:
    try:
        run = client.get_run(run_id)
    except MlflowException:  # no run's, or of one that is gone
        return False
    return run.info.status != "RUNNING" and FINISHED not in run.data.tags
