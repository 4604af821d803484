"""The four sentences that a report begins with."""

import pandas as pd

from pneumonia.evaluation.alterations import ALTERATIONS
from pneumonia.evaluation.report.answers import first_answers

METRICS = {"true_positives": 45, "false_negatives": 5, "true_negatives": 24, "false_positives": 6}
INTERVALS = pd.DataFrame({"metric": ["roc_auc"], "value": [0.93], "low": [0.88], "high": [0.97]})
GROUPS = pd.DataFrame(
    [("view", "AP", 40, 0.95, 0.8, 0.99), ("view", "PA", 31, 0.8, 0.6, 0.9), ("sex", "O", 9, 0.1, 0.0, 0.4)],
    columns=["by", "group", "films", "right", "low", "high"],
)


def altered(**of: float) -> pd.DataFrame:
    names = list(ALTERATIONS)
    areas = [of.get(name.replace(" ", "_"), 0.9) for name in names]
    return pd.DataFrame({"films": names, "roc_auc": areas, "low": 0.4, "high": 0.7})


def test_each_answer_has_its_figures():
    without = {"lungs_blacked_out": 0.5, "lungs_greyed_out": 0.55, "lungs_faded_out": 0.52, "only_the_border": 0.51}
    alterations = altered(**without, darker=0.7)
    good, sure, cheats, fails = [
        answer for _, answer in first_answers(METRICS, INTERVALS, alterations, GROUPS, findings=[])
    ]
    assert "80 films is 0.930" in good and "45 of 50 sick" in good and "24 of 30 healthy" in good
    assert "0.880 and 0.970" in sure
    assert (
        cheats.startswith("Nothing speaks clearly") and "lungs greyed out its AUC is 0.550 (0.400 to 0.700)" in cheats
    )
    assert "where view is PA: 80.0% of 31 films" in fails and "“darker”" in fails and "0.700" in fails


def test_a_finding_is_told_and_a_group_of_nine_is_not():
    alterations = altered(only_the_border=0.95)
    *_, cheats, fails = [
        answer for _, answer in first_answers(METRICS, INTERVALS, alterations, GROUPS[2:], findings=["a", "b"])
    ]
    assert (
        cheats.startswith("It may: 2 signs are listed below")
        and "nothing left but the border its AUC is 0.950" in cheats
    )
    assert "sex" not in fails
