import pytest

from pneumonia.errors import UserError
from pneumonia.labels import class_names, to_classes


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
