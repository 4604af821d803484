"""Which classes films from elsewhere can be judged by."""

import pytest

from pneumonia.annotations.labels import class_names
from pneumonia.inference.decision import Decision
from pneumonia.validation.asking import class_names_for


def decision(task: str, opacities: bool = False) -> Decision:
    return Decision(
        task=task,
        classes=class_names(task, opacities),
        image_size=64,
        min_size=28,
        temperature=1,
        threshold=0.5,
        rule="by hand",
    )


@pytest.mark.parametrize(
    ("model", "labels", "names", "truth"),
    [
        (decision("binary"), ["normal", "viral", "opacity", "not_normal"], ["normal", "pneumonia"], [0, 1, 1, 0]),
        (decision("multiclass"), ["viral", "normal", "bacterial"], ["normal", "bacterial", "viral"], [2, 0, 1]),
        # Coarser labels, and a class without films.
        (decision("multiclass"), ["pneumonia", "normal"], ["normal", "pneumonia"], [1, 0]),
        (decision("multiclass"), ["viral", "normal"], ["normal", "pneumonia"], [1, 0]),
        (
            decision("multiclass", True),
            ["opacity", "not_normal", "normal"],
            ["normal", "not_normal", "opacity"],
            [2, 1, 0],
        ),
        (decision("multiclass", True), ["pneumonia", "normal"], ["no_opacity", "opacity"], [1, 0]),
        (decision("binary", True), ["opacity", "normal"], ["no_opacity", "opacity"], [1, 0]),
    ],
)
def test_films_are_judged_by_the_models_classes_where_they_have_them_all(model, labels, names, truth):
    assert class_names_for(labels, model)[0] == names
    assert class_names_for(labels, model)[1].tolist() == truth
