import pytest

from pneumonia.outputs import whole_directory, whole_file


def test_a_file_is_replaced_only_when_it_is_whole(tmp_path):
    path = tmp_path / "metrics.json"
    path.write_text("earlier")
    with pytest.raises(RuntimeError), whole_file(path) as partial:
        partial.write_text("half")
        raise RuntimeError
    assert path.read_text() == "earlier"
    with whole_file(path) as partial:
        partial.write_text("whole")
    assert path.read_text() == "whole"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("name", ["a" * 251 + ".png", "a." + "b" * 253, "胸" * 85, "\udce9" * 251 + ".png"])
def test_a_name_may_be_as_long_as_names_may_be(tmp_path, name):
    with whole_file(tmp_path / name) as partial:
        assert not name.endswith(".png") or partial.suffix == ".png"
        partial.write_text("whole")
    assert [file.name for file in tmp_path.iterdir()] == [name]


def test_a_directory_is_replaced_only_when_it_is_whole(tmp_path):
    path = tmp_path / "raw"
    path.mkdir()
    (path / "earlier").touch()
    with pytest.raises(RuntimeError), whole_directory(path) as partial:
        (partial / "half").touch()
        raise RuntimeError
    assert [file.name for file in path.iterdir()] == ["earlier"]
    with whole_directory(path) as partial:
        (partial / "whole").touch()
    assert [file.name for file in path.iterdir()] == ["whole"]
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_run_left_is_not_taken_over(tmp_path):
    leftover = tmp_path / ".partial-raw"
    leftover.mkdir()
    (leftover / "half").touch()
    with whole_directory(tmp_path / "raw") as partial:
        (partial / "whole").touch()
    assert [file.name for file in (tmp_path / "raw").iterdir()] == ["whole"]
