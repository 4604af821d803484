"""Tables of films: what they may look like, and what is told of their mistakes."""

import csv
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from pneumonia.errors import UserError
from pneumonia.radiographs.deidentification import pseudonym
from pneumonia.sources.folder import source as folder
from pneumonia.sources.folder.files import FilmNames
from pneumonia.sources.shared.raw import read_index

from ..dicom_files import dicom
from .settings import settings

OWN_FILMS = Path(__file__).parents[2] / "docs" / "own_films.md"


@pytest.fixture(autouse=True)
def _salt(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PNEUMONIA_SALT", "salt")


def write_films(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(name.encode())
    return root


def write_table(file: Path, header: str, *rows: str) -> Path:
    file.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return file


def index_of(films: Path, compute: Any, **values: Any) -> pd.DataFrame:
    raw = films.with_name(f"{films.name}-raw")
    raw.mkdir()
    folder.fetch(settings("folder", path=str(films), **values), raw, compute)
    index = read_index(raw).set_index("file")
    assert {(raw / file).read_bytes() for file in index.index} <= {
        file.read_bytes() for file in films.rglob("*") if file.is_file()
    }
    return index.rename(index=lambda file: file.removeprefix("images/"))


def mistakes_of(films: Path, **values: Any) -> str:
    with pytest.raises(UserError) as caught:
        folder.collect(settings("folder", path=str(films), **values))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def documented(name: str) -> dict[str, Any]:
    """The block that docs/own_films.md shows for the table of a collection."""
    text = OWN_FILMS.read_text(encoding="utf-8").split(f"**{name}**")[1]
    block = text.split("```yaml\n")[1].split("```")[0]
    values: dict[str, Any] = yaml.safe_load(block)["datasets"]["folder"]
    return {key: value for key, value in values.items() if key != "path"}


def test_a_table_tells_label_patient_site_split_and_what_else_is_known(tmp_path, compute, capsys):
    films = write_films(tmp_path / "films", "1.png", "b/2.png", "3.jpeg", "4.png")
    write_table(
        films / "films.csv",
        "file,label,patient,site,split,view,age,sex,scanner,name",
        "1.png,Normal,7,North/East,train,pa,034Y,Female,A,Anna",
        "b/2.png,viral,8,,test,AP,95,m,B,Ben",
        "3.jpeg,Pneumonia,7,North/East,valid,lateral,411,?,,Anna",
    )
    index = index_of(films, compute, table="films.csv", columns={"scanner": "scanner"})
    assert index.columns.tolist() == ["label", "patient", "official_split", "site", "view", "sex", "age", "scanner"]
    assert index.loc["1.png"].tolist() == ["normal", pseudonym("7"), "train", "North_East", "PA", "F", "34", "A"]
    assert index.loc["b/2.png"].tolist() == ["viral", pseudonym("8"), "test", "unknown", "AP", "M", "90", "B"]
    assert index.loc["3.jpeg"].tolist() == ["pneumonia", pseudonym("7"), "train", "North_East", "", "", "", ""]
    told = capsys.readouterr().err
    assert "left out 1 films that no table tells of (the first is 4.png)" in told
    assert "name no patient" not in told


def test_what_is_not_asked_for_does_not_leave_the_table(tmp_path, compute):
    films = write_films(tmp_path / "films", "1.png", "2.png")
    write_table(films / "films.csv", "file,label,patient,name", "1.png,normal,31415,Anna", "2.png,viral,27182,Ben")
    index_of(films, compute, table="films.csv")
    kept = "".join(file.read_text() for file in (tmp_path / "films-raw").glob("*.*"))
    assert not [word for word in ("Anna", "Ben", "31415", "27182") if word in kept]


def test_names_of_ones_own_mean_what_params_say_in_folders_and_in_a_table(tmp_path, compute, capsys):
    own = {"positive": ["opacity", "Infiltrate"], "labels": {"clear": "normal", "unsure": None, "rest": "not_normal"}}
    folders = write_films(
        tmp_path / "a", "Opacity/1.png", "infiltrate/2.png", "clear/3.png", "unsure/4.png", "Mass/5.png", "viral/6.png"
    )
    assert index_of(folders, compute, **own)["label"].to_dict() == {
        "Opacity/1.png": "pneumonia",
        "infiltrate/2.png": "pneumonia",
        "clear/3.png": "normal",
        "Mass/5.png": "not_normal",
        "viral/6.png": "viral",
    }
    assert "left out 1 films for their label (the first is unsure/4.png)" in capsys.readouterr().err
    films = write_films(tmp_path / "b", *(f"{number}.png" for number in range(6)))
    cells = ["OPACITY", "clear|infiltrate", "clear", "unsure|clear", "unsure|opacity", "Mass|clear"]
    write_table(films / "t.csv", "file,label", *(f"{number}.png,{cell}" for number, cell in enumerate(cells)))
    labels = index_of(films, compute, table="t.csv", **own)["label"].to_dict()
    assert labels == {"0.png": "pneumonia", "1.png": "pneumonia", "2.png": "normal", "4.png": "pneumonia",
                      "5.png": "not_normal"}  # fmt: skip


def test_a_table_without_labels_adds_to_what_class_folders_tell(tmp_path, compute):
    films = write_films(tmp_path / "films", "normal/1.png", "viral/2.png")
    write_table(films / "films.csv", "file,patient,site", "normal/1.png,7,a", "2.png,8,b")
    index = index_of(films, compute, table="films.csv")
    assert index["label"].to_dict() == {"normal/1.png": "normal", "viral/2.png": "viral"}
    assert index["site"].tolist() == ["a", "b"]


def test_a_film_is_found_by_its_path_by_the_end_of_it_and_without_its_suffix():
    names = FilmNames(["train/p1/view.jpg", "train/p2/view.jpg", "test/p1/other.png", "a.png", "b/a.png"])
    assert names.called("train/p1/view.jpg") == names.called("CheXpert/train/p1/view.jpg") == ["train/p1/view.jpg"]
    assert names.called("p2/view") == names.called(r"C:\data\train\p2\view.jpg") == ["train/p2/view.jpg"]
    assert names.called("view.jpg") == ["train/p1/view.jpg", "train/p2/view.jpg"]
    assert names.called("other") == ["test/p1/other.png"]
    assert names.called("a.png") == ["a.png"]
    assert names.called("a.png", "b/") == ["b/a.png"]
    assert names.called("gone.png") == names.called("p3/view.jpg") == names.called("") == []


def test_a_hundred_thousand_films_of_one_name_are_found_in_seconds():
    names = FilmNames(f"train/p{number}/study1/view1.jpg" for number in range(100_000))
    started = time.perf_counter()
    for number in range(0, 100_000, 10):
        assert len(names.called(f"CheXpert/train/p{number}/study1/view1.jpg")) == 1
        assert names.called(f"CheXpert/train/p{number}/study2/view1.jpg") == []
    assert time.perf_counter() - started < 10


def test_an_image_folder_of_hugging_face_works_as_it_is(tmp_path, compute):
    one = write_films(tmp_path / "one", "1.png", "sub/2.png")
    write_table(one / "metadata.csv", "file_name,label,text", "1.png,normal,healthy", "sub/2.png,pneumonia,ill")
    assert index_of(one, compute)["label"].to_dict() == {"1.png": "normal", "sub/2.png": "pneumonia"}
    split = write_films(tmp_path / "split", "train/1.png", "train/2.png", "test/1.png")
    write_table(split / "train" / "metadata.csv", "file_name,label", "1.png,normal", "2.png,pneumonia")
    write_table(split / "test" / "metadata.csv", "file_name,label", "1.png,pneumonia")
    index = index_of(split, compute)
    assert index[["label", "official_split"]].to_dict("index") == {
        "train/1.png": {"label": "normal", "official_split": "train"},
        "train/2.png": {"label": "pneumonia", "official_split": "train"},
        "test/1.png": {"label": "pneumonia", "official_split": "test"},
    }


def test_a_metadata_csv_of_something_else_is_no_table(tmp_path, compute):
    films = write_films(tmp_path / "films", "normal/1.png", "viral/2.png")
    write_table(films / "metadata.csv", "key,value", "made,2020")
    assert len(index_of(films, compute)) == 2


def test_the_patient_of_a_film_that_the_table_tells_none_of_is_the_one_in_its_header(tmp_path, compute):
    films = write_films(tmp_path / "films", "1.png", "2.dcm")
    (films / "2.dcm").write_bytes(dicom(np.eye(40, dtype=np.uint8), PatientID="7"))
    write_table(films / "films.csv", "file,label,patient", "1.png,normal,7", "2.dcm,viral,")
    assert index_of(films, compute, table="films.csv")["patient"].tolist() == [pseudonym("7")] * 2


def test_all_mistakes_are_told_at_once_with_their_rows(tmp_path):
    films = write_films(tmp_path / "films", "1.png", "2.png", "3.png", "4.png", "a/same.png", "b/same.png")
    write_table(
        films / "films.csv",
        "file,label,patient,split",
        "1.png,normal,7,train",
        "2.png,Mass,8,train",
        "gone.png,viral,9,test",
        "3.png,viral,7,test",
        "4.png,Nodule|Mass,10,holdout",
        "1.png,normal,7,train",
        "same.png,normal,11,train",
    )
    told = mistakes_of(films, table="films.csv")
    assert told.startswith(f"{films}/films.csv: ")
    assert {part.strip() for part in told.removeprefix(f"{films}/films.csv: ").split(";")} == {
        "no such film: 'gone.png' (row 4)",
        "more than one film is called so: 'same.png' (row 8)",
        "label 'Mass' has no meaning (row 3)",
        "label 'Nodule' has no meaning (row 6)",
        "split 'holdout' is unknown, it may be train, val, valid, validation, test (row 6)",
        "'1.png' has several rows, which only a column reader explains (rows 2, 7)",
        "a patient is in train and in test (rows 2, 5, 7)",
        "a label may be normal, pneumonia, bacterial, bacteria, viral, virus, opacity, not_normal, or be told in "
        "datasets.folder.labels or positive",
    }


def test_a_thousand_mistakes_are_one_line_of_a_length_that_is_read(tmp_path):
    films = write_films(tmp_path / "films", "1.png")
    rows = [f"gone{number}.png,strange{number}" for number in range(1000)]
    told = mistakes_of(write_table(films / "t.csv", "file,label", *rows).parent, table="t.csv")
    assert "no such film: 'gone0.png', 'gone1.png', 'gone2.png' and 997 more (rows 2, 3, 4" in told
    assert "and 990 more)" in told
    assert "981 more mistakes" in told
    assert len(told) < 3000


def test_commas_at_the_ends_of_rows_shift_no_column_and_cells_without_a_header_are_told(tmp_path, compute):
    films = write_films(tmp_path / "films", "1.png", "2.png")
    write_table(films / "t.csv", "file,label,patient", "1.png,normal,7,", "2.png,viral,08,")
    index = index_of(films, compute, table="t.csv")
    assert index["label"].to_dict() == {"1.png": "normal", "2.png": "viral"}
    assert index["patient"].tolist() == [pseudonym("7"), pseudonym("08")]
    write_table(films / "t.csv", "file,label", "1.png,normal,7", "2.png,viral,8")
    assert "t.csv: cannot be read as a table (rows have more cells than the header" in mistakes_of(films, table="t.csv")


def test_mistakes_in_several_tables_are_told_at_once_and_patients_are_checked_across_them(tmp_path):
    films = write_films(tmp_path / "films", "train/1.png", "train/2.png", "test/1.png", "test/2.png")
    write_table(films / "train" / "metadata.csv", "file_name,label,patient", "1.png,normal,7", "2.png,Mass,8")
    write_table(films / "test" / "metadata.csv", "file_name,label,patient", "1.png,viral,9", "2.png,viral,7")
    told = mistakes_of(films)
    assert f"{films}/train/metadata.csv: label 'Mass' has no meaning (row 3)" in told
    assert "a patient is in train and in test (row 2)" in told
    assert f"{films}/test/metadata.csv: a patient is in train and in test (row 3)" in told


def test_a_patient_number_that_several_sites_have_is_told(tmp_path, compute, capsys):
    films = write_films(tmp_path / "films", "1.png", "2.png", "3.png")
    write_table(films / "t.csv", "file,label,patient,site", "1.png,normal,7,a", "2.png,viral,7,b", "3.png,viral,8,b")
    assert index_of(films, compute, table="t.csv")["patient"].nunique() == 2
    assert "warning: 1 patients have films of several sites, each counts as one person" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("values", "header", "told"),
    [
        ({"table": "none.csv"}, "file,label", "none.csv: no such table; datasets.folder.table may name a CSV"),
        ({"table": "t.csv"}, "path,label", "has no column 'file'; it has path, label"),
        ({"table": "t.csv", "columns": {"label": "Finding"}}, "file,label", "has no column 'Finding'"),
        ({"table": "t.csv", "only": {"View": "PA"}}, "file,label", "has no column 'View' for datasets.folder.only"),
        ({"table": "t.csv", "only": {"label": "PA"}}, "file,label", "has no rows, or datasets.folder.only leaves none"),
    ],
)
def test_a_table_that_does_not_fit_the_settings_is_told(tmp_path, values, header, told):
    films = write_films(tmp_path / "films", "1.png")
    write_table(films / "t.csv", header, "1.png,normal")
    assert told in mistakes_of(films, **values)


def test_a_table_of_nih_chestxray14(tmp_path, compute):
    films = write_films(
        tmp_path / "nih", "images_001/images/00000001_000.png", "images_001/images/00000001_001.png",
        "images_002/images/00000002_000.png", "images_002/images/00000003_000.png",
    )  # fmt: skip
    write_table(
        films / "Data_Entry_2017.csv",
        "Image Index,Finding Labels,Follow-up #,Patient ID,Patient Age,Patient Gender,View Position,Width",
        "00000001_000.png,Cardiomegaly|Emphysema,0,1,058Y,M,PA,2682",
        "00000001_001.png,No Finding,1,1,58,M,AP,2682",
        "00000002_000.png,Infiltration|Pneumonia,0,2,80,F,PA,2500",
        "00000003_000.png,Hernia,0,3,411,F,PA,2500",
    )
    index = index_of(films, compute, **documented("NIH ChestX-ray14"))
    assert index["label"].tolist() == ["not_normal", "normal", "pneumonia", "not_normal"]
    assert index["patient"].tolist() == [pseudonym(number) for number in ("1", "1", "2", "3")]
    assert index["view"].tolist() == ["PA", "AP", "PA", "PA"]
    assert index["age"].tolist() == ["58", "58", "80", ""]
    assert index["sex"].tolist() == ["M", "M", "F", "F"]


def test_a_table_of_chexpert(tmp_path, compute):
    below = "CheXpert-v1.0-small/train"
    names = [f"patient0000{n}/study1/view1_frontal.jpg" for n in (1, 2, 3, 4)] + [
        "patient00001/study2/view2_lateral.jpg"
    ]
    films = write_films(tmp_path / "chexpert", *(f"train/{name}" for name in names))
    write_table(
        films / "train.csv",
        "Path,Sex,Age,Frontal/Lateral,AP/PA,No Finding,Pneumonia",
        f"{below}/{names[0]},Female,68,Frontal,AP,,1.0",
        f"{below}/{names[1]},Male,91,Frontal,PA,,0.0",
        f"{below}/{names[2]},Male,3,Frontal,PA,,-1.0",
        f"{below}/{names[3]},Male,30,Frontal,PA,1.0,",
        f"{below}/{names[4]},Female,68,Lateral,,,1.0",
    )
    index = index_of(films, compute, **documented("CheXpert"))
    assert index["label"].to_dict() == {f"train/{names[0]}": "pneumonia", f"train/{names[1]}": "not_normal"}
    assert index["patient"].tolist() == ["patient00001", "patient00002"]
    assert index["view"].tolist() == ["AP", "PA"]
    assert index["age"].tolist() == ["68", "90"]


def test_a_table_of_vindr(tmp_path, compute):
    films = write_films(tmp_path / "vindr", *(f"train/{name}.dicom" for name in ("aa", "bb", "cc", "dd")))
    readings = {
        "aa": [("Pneumonia", "R1"), ("Cardiomegaly", "R1"), ("Pneumonia", "R2"), ("No finding", "R3")],
        "bb": [("No finding", "R1"), ("No finding", "R2"), ("Consolidation", "R3")],
        "cc": [("Cardiomegaly", "R4"), ("Cardiomegaly", "R4"), ("Nodule/Mass", "R5"), ("Consolidation", "R6")],
        "dd": [("No finding", "R1"), ("Consolidation", "R2"), ("Cardiomegaly", "R3")],
    }
    rows = [f"{film},{name},{number},{reader},1,2,3,4" for film, all_of_it in readings.items()
            for number, (name, reader) in enumerate(all_of_it)]  # fmt: skip
    write_table(films / "train.csv", "image_id,class_name,class_id,rad_id,x_min,y_min,x_max,y_max", *rows)
    labels = index_of(films, compute, **documented("VinDr-CXR"))["label"].to_dict()
    assert labels == {"train/aa.dicom": "pneumonia", "train/bb.dicom": "normal", "train/cc.dicom": "not_normal"}


def test_a_table_is_read_as_people_write_it(tmp_path, compute):
    films = write_films(tmp_path / "films", "a/1.png", "a/2.png")
    (films / "t.csv").write_bytes('\ufefffile,label\r\na\\1.png, Normal \r\n"2.png","PNEUMONIA"\r\n'.encode())
    table = films.with_name("elsewhere.csv")
    (films / "t.csv").rename(table)
    assert index_of(films, compute, table=str(table))["label"].tolist() == ["normal", "pneumonia"]


@pytest.mark.parametrize(
    ("values", "told"),
    [
        ({"labels": {True: "normal"}}, "True as a name"),
        ({"labels": {"Mass": "tumour"}}, "tumour"),
        ({"columns": {"width": "Width"}}, "'width', which is taken"),
        ({"columns": {"contrast": "Medium"}}, "'contrast', which is taken"),
        ({"columns": {"Scanner Model": "x"}}, "'Scanner Model'; it may have file, label"),
        ({"patient_pattern": "("}, "should be a regular expression"),
        ({"labels": {"Mass": "normal"}, "positive": ["mass"]}, "'mass' is in labels and in positive"),
    ],
)
def test_settings_that_cannot_be_meant_are_told(make_params, values, told):
    with pytest.raises(UserError) as caught:
        make_params({f"datasets.folder.{name}": value for name, value in values.items()})
    assert told in str(caught.value)
    assert "\n" not in str(caught.value)


def test_numbers_as_labels_need_no_quotes(tmp_path, compute):
    films = write_films(tmp_path / "films", "1.png", "2.png")
    with (films / "t.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["file", "label"], ["1.png", 0], ["2.png", "1.0"]])
    index = index_of(films, compute, table="t.csv", labels={0: "normal", 1: "pneumonia"})
    assert index["label"].tolist() == ["normal", "pneumonia"]


def dotted(block: dict[str, Any], above: str = "") -> dict[str, Any]:
    """The values of `block` by dotted key, down to those of a data set."""
    changes: dict[str, Any] = {}
    for name, value in block.items():
        key = f"{above}{name}"
        inner = isinstance(value, dict) and key.count(".") < 2
        changes |= dotted(value, f"{key}.") if inner else {key: value}
    return changes


def test_every_block_in_the_documentation_is_one_that_params_may_hold(make_params):
    blocks = [yaml.safe_load(block.split("```")[0]) for block in OWN_FILMS.read_text().split("```yaml\n")[1:]]
    assert len(blocks) == 6
    for block in blocks:
        make_params(dotted(block))


def test_the_tables_of_the_documentation(tmp_path, compute):
    text = OWN_FILMS.read_text(encoding="utf-8")
    folders, table = (
        yaml.safe_load(block.split("```")[0])["datasets"]["folder"] for block in text.split("```yaml\n")[1:3]
    )
    films = write_films(tmp_path / "a", "opacity/1.png", "infiltrate/2.png", "clear/3.png", "unsure/4.png")
    assert index_of(films, compute, **folders)["label"].tolist() == ["normal", "pneumonia", "pneumonia"]
    films = write_films(tmp_path / "b", "p1_1.png", "p1_2.png", "p2_1.png", "p3_1.png")
    write_table(
        films / "films.csv", "Image,Finding,View,Manufacturer", "p1_1,Healthy,AP,A", "p1_2,Infiltrate,PA,B",
        "p2_1,Cannot tell,AP,A", "p3_1,Pneumonia,LL,A",
    )  # fmt: skip
    index = index_of(films, compute, **table)
    assert index.to_dict("index") == {
        "p1_1.png": {"label": "normal", "patient": "p1", "official_split": "", "scanner": "A"},
        "p1_2.png": {"label": "pneumonia", "patient": "p1", "official_split": "", "scanner": "B"},
    }
