import pytest

from pneumonia.annotations.labels import class_names, count_healthy, to_classes
from pneumonia.errors import UserError


def test_binary_merges_every_pneumonia():
    assert class_names("binary") == ["normal", "pneumonia"]
    assert to_classes(["viral", "normal", "pneumonia", "bacterial"], "binary").tolist() == [1, 0, 1, 1]


def test_multiclass_tells_bacterial_from_viral_and_takes_no_pneumonia_without_a_kind():
    assert class_names("multiclass") == ["normal", "bacterial", "viral"]
    assert to_classes(["viral", "normal", "bacterial"], "multiclass").tolist() == [2, 0, 1]
    with pytest.raises(UserError, match="label 'pneumonia' has no class in task 'multiclass'; it may be one of normal"):
        to_classes(["normal", "pneumonia"], "multiclass")


def test_a_label_without_a_class_is_named():
    with pytest.raises(UserError, match="label 'fracture' has no class in task 'binary'"):
        to_classes(["normal", "fracture"], "binary")


def test_a_source_may_label_films_by_their_opacities():
    labels = ["opacity", "not_normal", "normal"]
    assert class_names("binary", labels_opacities=True) == ["no_opacity", "opacity"]
    assert to_classes(labels, "binary", labels_opacities=True).tolist() == [1, 0, 0]
    assert class_names("multiclass", labels_opacities=True) == ["normal", "not_normal", "opacity"]
    assert to_classes(labels, "multiclass", labels_opacities=True).tolist() == [2, 1, 0]
    assert count_healthy(class_names("multiclass", labels_opacities=True)) == 2
    # Beside films on which an opacity was only seen, one that was told to be a pneumonia is an opacity.
    kinds = to_classes(["bacterial", "viral", "pneumonia"], "multiclass", labels_opacities=True)
    assert kinds.tolist() == [2, 2, 2]


def test_boxes_are_looked_for_in_films_of_any_source():
    assert class_names("localize") == class_names("localize", labels_opacities=True) == ["no_opacity", "opacity"]
    assert to_classes(["viral", "normal", "pneumonia", "bacterial"], "localize").tolist() == [1, 0, 1, 1]
