import pytest

from pneumonia.annotations.labels import class_names, count_healthy, to_classes
from pneumonia.errors import UserError


def test_binary_merges_every_pneumonia():
    assert class_names("binary", "kermany") == ["normal", "pneumonia"]
    assert to_classes(["viral", "normal", "pneumonia", "bacterial"], "binary", "kermany").tolist() == [1, 0, 1, 1]


def test_multiclass_tells_bacterial_from_viral_and_takes_no_pneumonia_without_a_kind():
    assert class_names("multiclass", "kermany") == ["normal", "bacterial", "viral"]
    assert to_classes(["viral", "normal", "bacterial"], "multiclass", "kermany").tolist() == [2, 0, 1]
    with pytest.raises(UserError, match="label 'pneumonia' has no class in task 'multiclass'; it may be one of normal"):
        to_classes(["normal", "pneumonia"], "multiclass", "kermany")


def test_a_label_without_a_class_is_named():
    with pytest.raises(UserError, match="label 'fracture' has no class in task 'binary'"):
        to_classes(["normal", "fracture"], "binary", "kermany")


def test_films_of_rsna_are_told_by_their_opacities():
    labels = ["opacity", "not_normal", "normal"]
    assert class_names("binary", "rsna") == ["no_opacity", "opacity"]
    assert to_classes(labels, "binary", "rsna").tolist() == [1, 0, 0]
    assert class_names("multiclass", "rsna") == ["normal", "not_normal", "opacity"]
    assert to_classes(labels, "multiclass", "rsna").tolist() == [2, 1, 0]
    assert count_healthy(class_names("multiclass", "rsna")) == 2


def test_boxes_are_looked_for_in_films_of_any_source():
    assert class_names("localize", "phantom") == class_names("localize", "rsna") == ["no_opacity", "opacity"]
    assert to_classes(["viral", "normal", "pneumonia", "bacterial"], "localize", "phantom").tolist() == [1, 0, 1, 1]
