"""Several sources in one: generated films and folders, each a site."""

import json
from pathlib import Path

import pytest

from pneumonia.errors import UserError
from pneumonia.sources.shared.download import download
from pneumonia.sources.shared.raw import read_index

PHANTOM = {"datasets.phantom.patients": 4, "datasets.phantom.image_size": 64, "compute.workers": 1}


def write_films(root: Path, table: str = "") -> Path:
    for name in ("normal/1.png", "viral/2.png"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
    if table:
        (root / "films.csv").write_text(table)
    return root


def test_films_of_several_sources_keep_their_site_and_their_patients_apart(tmp_path, make_params):
    east = write_films(tmp_path / "a" / "clinic")
    table = "file,patient,site,scanner\n1.png,phantom-0001,Harbour,X\n2.png,8,,Y\n"
    west = write_films(tmp_path / "b" / "clinic", table) / "films.csv"
    chosen = {"dataset": "several", "datasets.several.of": ["phantom", str(east), str(west)]}
    chosen["datasets.folder.columns"] = {"scanner": "scanner"}
    download(make_params(PHANTOM | chosen), tmp_path / "raw")
    films = read_index(tmp_path / "raw")
    assert set(films["site"]) == {"phantom", "clinic", "Harbour", "unknown"}
    told = films[films["file"].str.startswith("clinic~2/")].set_index("file")
    assert told["site"].to_dict() == {
        "clinic~2/images/normal/1.png": "Harbour",
        "clinic~2/images/viral/2.png": "unknown",
    }
    assert told["scanner"].tolist() == ["X", "Y"]
    assert set(films.loc[films["site"] == "phantom", "scanner"]) == {""}
    assert films.groupby("patient")["site"].nunique().max() == 1
    assert films.loc[films["site"] == "phantom", "patient"].nunique() == 4
    assert all((tmp_path / "raw" / file).is_file() for file in films["file"])
    assert (tmp_path / "raw" / "clinic" / "images" / "viral" / "2.png").read_bytes() == b"viral/2.png"
    source = json.loads((tmp_path / "raw" / "source.json").read_text())
    assert [each["name"] for each in source["of"]] == ["phantom", "folder", "folder"]
    assert sorted(path.name for path in (tmp_path / "raw").iterdir()) == [
        "clinic", "clinic~2", "index.csv", "phantom", "source.json"
    ]  # fmt: skip


def test_what_is_no_source_is_a_path_and_told_where_it_is_none(tmp_path, make_params):
    params = make_params(PHANTOM | {"dataset": "several", "datasets.several.of": ["phantom", str(tmp_path / "kermny")]})
    with pytest.raises(UserError, match="kermny: no such folder"):
        download(params, tmp_path / "raw")
    assert not (tmp_path / "raw").exists()


@pytest.mark.parametrize(
    ("of", "told"),
    [
        (["phantom"], "at least 2"),
        (["phantom", "phantom"], "it should name each source once"),
        (["phantom", "several"], "names several itself"),
    ],
)
def test_what_several_may_be_is_told(make_params, of, told):
    with pytest.raises(UserError) as caught:
        make_params({"dataset": "several", "datasets.several.of": of})
    assert told in str(caught.value)


def test_labels_are_merged_at_the_coarsest_that_all_sources_tell(make_params):
    def classes(task: str, *of: str) -> list[str]:
        return make_params({"dataset": "several", "datasets.several.of": list(of), "task": task}).classes

    assert classes("binary", "kermany", "phantom") == ["normal", "pneumonia"]
    assert classes("multiclass", "kermany", "phantom") == ["normal", "bacterial", "viral"]
    assert classes("binary", "kermany", "rsna") == ["no_opacity", "opacity"]
    assert classes("multiclass", "kermany", "rsna") == ["normal", "not_normal", "opacity"]
