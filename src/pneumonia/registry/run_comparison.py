"""Two runs compared, each a single training or a repeat of one."""

import mlflow
import pandas as pd
from mlflow import MlflowClient

from pneumonia.evaluation.comparison import compare, tells_other_classes
from pneumonia.evaluation.repeats import difference
from pneumonia.params.load import load_params
from pneumonia.registry.address import existing_store
from pneumonia.registry.found_runs import find_run, read_predictions
from pneumonia.registry.repeat_runs import REPEAT, children_of, training_of

SINGLE = "95 % interval of the difference by paired bootstrap over patients"
ACROSS_TASKS = (
    "their tasks tell other classes apart, so they are compared by the metrics that both have: pneumonia of any kind, "
    "or an opacity, against none"
)
OF_ONE_SEED = "both are single trainings: other seeds may differ by as much (`pneumonia repeat` tells by how much)"


def compare_named(first: str, second: str, part: str) -> tuple[str, pd.DataFrame]:
    """What was compared, in words, and the table: `comparison.compare` for two single runs, else `repeats.difference`.

    Raises:
        UserError: no such run, one that was not evaluated, a repeat that is not complete, or other films.
    """
    experiment = load_params().tracking.experiment
    mlflow.set_tracking_uri(existing_store())
    client = MlflowClient()
    runs = [find_run(client, experiment, named) for named in (first, second)]
    if not any(REPEAT in run.data.tags for run in runs):
        ours, theirs = (read_predictions(run.info.run_id) for run in runs)
        lines = [f"{SINGLE}; {OF_ONE_SEED}"] + [ACROSS_TASKS] * tells_other_classes([ours.films, theirs.films])
        return "\n".join(lines), compare(ours, theirs, part)
    one, other = groups = [[training_of(child) for child in children_of(client, run)] for run in runs]
    table = difference(one, other, part)
    said = [
        f"the mean of {len(group)} trainings"
        if len(group) > 1
        else "one training, taken to vary as the other's do, since nothing is known of its own"
        for group in groups
    ]
    larger = table["larger"].value_counts()
    lines = [
        f"the first is {said[0]}; the second {said[1]}",
        "95 % interval of the difference over patients (paired bootstrap) and trainings (Student's)",
        f"what else could have come out depends more on the patients in {larger.get('patients', 0)} metrics, and more "
        f"on the trainings in {larger.get('trainings', 0)}",
    ]
    across = tells_other_classes([training.films for training in (*one, *other)])
    return "\n".join(lines + [ACROSS_TASKS] * across), table
