"""The card of a registered model (Mitchell et al., Model Cards for Model Reporting, 2019)."""

import re
from typing import Any

import pandas as pd

from pneumonia.annotations.labels import WITHOUT_PNEUMONIA
from pneumonia.inference.decision import Decision
from pneumonia.params.load import Params

CARD = """# {model} on {dataset} ({task})

**No medical device.** For research and teaching. Nothing it says may decide how a person is treated.

## Intended use
Frontal chest radiographs like those that it was trained on ({dataset}). It gives a calibrated probability of pneumonia
and predicts pneumonia from {threshold:.3f} on (chosen on validation films: {rule}). {boxes}A film unlike the
training films gets a remark; do not rely on such a prediction. Not for lateral films, other body parts, or
other questions.

## Data
{data}

## Training
First weights: {weights}. {parameters:,} parameters, {image_size} x {image_size} pixels, trained in {precision}.
Temperature {temperature:.3f}.

## Results
{results_of}

{results}

## Limits
{limits}
"""

BOXES = (
    "It draws boxes around opacities from a confidence of {threshold:.3f} on;\nof two with an IoU above {nms_iou:g} "
    "the surer one; {shrink:.0%} as wide and high as found (all chosen on validation films). The film's label has a "
    "threshold of its own, so pneumonia may be predicted without a box, and a box shown without it. "
)
RESULTS_OF = {
    True: "On test films of other patients, which nothing was chosen on; 95 % intervals by bootstrap over patients.",
    False: "On test films, which nothing was chosen on; 95 % intervals by bootstrap over films. The source names no "
    "patients, or one film of each: if films of a patient are in training and test, the metrics flatter.",
}
PREVALENCE = (
    "The probability is calibrated on validation films, {:.0%} of which show pneumonia: where it is rarer, it says too "
    "much, and where it is more frequent, too little."
)
ALWAYS = (
    "One training with one seed: another seed gives other metrics.",
    "The intervals tell how the metrics vary with the patients drawn, not how they change in another hospital.",
)


def render_card(
    params: Params,
    decision: Decision,
    intervals: pd.DataFrame,
    findings: list[str],
    films: pd.DataFrame,
    facts: dict[str, Any],
) -> str:
    """The card, Markdown. `intervals` and `findings` are those of `evaluate`, `films` are the rows of `split.csv`,
    `facts` those of the training (`models/training.json`).
    """
    by_patient = films["patient"].nunique() < len(films)
    val = films[films["part"] == "val"]
    share = (~val["class"].isin(WITHOUT_PNEUMONIA)).mean()
    counts = pd.crosstab(films["part"], films["class"])
    data = "\n".join(
        f"- {part}: " + ", ".join(f"{number} {name}" for name, number in row.items()) for part, row in counts.iterrows()
    )
    test = intervals[intervals["part"] == "test"]
    lines = [f"| {row.metric} | {row.value:.3f} | {row.low:.3f} to {row.high:.3f} |" for row in test.itertuples()]
    return CARD.format(
        model=params.model,
        dataset=params.dataset,
        task=params.task,
        threshold=decision.threshold,
        rule=decision.rule,
        boxes=BOXES.format(**vars(decision.localization.postprocessing)) if decision.localization else "",
        temperature=decision.temperature,
        image_size=decision.image_size,
        data=data,
        weights=_plain(facts["weights"]),
        parameters=int(facts["parameters"]),
        precision=facts["precision"],
        results_of=RESULTS_OF[by_patient],
        results="\n".join(["| metric | value | interval |", "|---|---|---|", *lines]),
        limits="\n".join(f"- {limit}" for limit in (*findings, PREVALENCE.format(share), *ALWAYS)),
    )


def _plain(text: str) -> str:
    """`text` that Markdown and HTML show as it is: it may be a path."""
    return re.sub(r"([\\`*_{}\[\]<>&#$~|!])", r"\\\1", text)
