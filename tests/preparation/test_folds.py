"""Folds, a user's own split, and corrected labels."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from pneumonia.errors import UserError
from pneumonia.preparation.splitting import assign_parts, split

from .test_splitting import make_films


def parts_by_fold(films: pd.DataFrame, make_params, folds: int = 5, **changes: object) -> pd.DataFrame:
    settings = [{"split.folds": folds, "split.fold": fold, **changes} for fold in range(folds)]
    return pd.DataFrame({fold: assign_parts(films, make_params(each)) for fold, each in enumerate(settings)})


def test_each_film_but_those_of_the_test_validates_once_and_patients_are_whole(make_params):
    films = make_films(300, 600, films_a_patient=3)
    table = parts_by_fold(films, make_params)
    test = (table == "test").all(axis=1)
    assert test.sum() == 180  # a fifth of each class, the same in every fold
    assert ((table[~test] == "val").sum(axis=1) == 1).all()
    for fold in table:
        assert films.assign(part=table[fold]).groupby("patient")["part"].nunique().max() == 1
        counts = films["class"][table[fold] == "val"].value_counts()
        assert abs(counts["normal"] - 48) <= 3  # a fifth of 240, in patients of three films
        assert abs(counts["pneumonia"] - 96) <= 3


def test_folds_are_stratified_by_site_and_leave_the_official_test_alone(make_params):
    films = make_films(300, 300, official="train")
    films["site"] = np.where(films.index % 10 == 0, "small", "large")
    films.loc[films.index % 3 == 0, "official_split"] = "test"
    table = parts_by_fold(films, make_params)
    for fold in table:
        assert (table[fold] == "test").equals(films["official_split"] == "test")
        val = table[fold] == "val"
        # 40 films of the small site train or validate, 20 of each class: four of each class in a fold
        assert films[val & (films["site"] == "small")].groupby("class").size().tolist() == [4, 4]


def test_a_seed_of_the_split_keeps_it_whatever_the_seed_of_the_training(make_params):
    films = make_films(300, 300)
    one, same, other = (
        assign_parts(films, make_params({"seed": seed, "split.seed": of_split, "split.folds": 3}))
        for seed, of_split in ((1, 7), (2, 7), (1, 8))
    )
    assert one.equals(same)
    assert not one.equals(other)
    assert assign_parts(films, make_params({"seed": 7})).equals(
        assign_parts(films, make_params({"seed": 1, "split.seed": 7}))
    )


def test_more_folds_than_patients_are_told(make_params):
    films = make_films(300, 300, films_a_patient=50)
    with pytest.raises(UserError, match=r"split.folds is 8; it may be 5, since class 'normal'"):
        assign_parts(films, make_params({"split.folds": 8}))
    with pytest.raises(UserError, match=r"split has fold 5; fold should be 0 to 4"):
        make_params({"split.folds": 5, "split.fold": 5})
    with pytest.raises(UserError, match=r"split has folds 1; folds should be 0"):
        make_params({"split.folds": 1})


@pytest.fixture
def own(make_params, tmp_path: Path):
    """The parts by a table of the user's."""

    def assign(films: pd.DataFrame, rows: pd.DataFrame, **changes: object) -> pd.Series:
        rows.to_csv(tmp_path / "own.csv", index=False)
        return assign_parts(films, make_params({"split.file": str(tmp_path / "own.csv"), **changes}))

    return assign


def test_copies_that_were_grouped_may_not_have_two_parts(make_params, tmp_path):
    films = make_films(40, 40).assign(label=lambda table: table["class"].replace("pneumonia", "viral"))
    one, other = films.loc[[0, 1], "patient"]
    rows = pd.DataFrame({"patient": films["patient"], "part": ["train", "test", "val", "test"] * 20})
    rows.to_csv(tmp_path / "own.csv", index=False)
    pair = {"first_file": [films.at[0, "file"]], "second_file": films.at[1, "file"]}
    pair |= {"first_patient": one, "second_patient": other}
    pd.DataFrame(pair).to_csv(tmp_path / "near_duplicates.csv", index=False)
    films.drop(columns="class").to_csv(tmp_path / "index.csv", index=False)
    changes = {"split.file": str(tmp_path / "own.csv")}
    reported = make_params({**changes, "clean.near_duplicates": "report"})
    split(reported, tmp_path, tmp_path / "split.csv")  # reported, not grouped: the table decides
    params = make_params({**changes, "clean.near_duplicates": "group"})
    films.drop(columns="class").assign(patient=films["patient"].replace(other, one)).to_csv(
        tmp_path / "index.csv", index=False
    )
    with pytest.raises(UserError, match=r"makes one patient; their parts are 'train' and 'test', and may be one"):
        split(params, tmp_path, tmp_path / "split.csv")


def test_sites_that_are_all_small_are_shared_out_by_class_alone(make_params):
    films = make_films(40, 40, official="train")
    films["site"] = [f"site{number % 10}" for number in films.index]  # four films of each class at each
    films.loc[films["patient"].isin(films.groupby(["site", "class"])["patient"].first()), "official_split"] = "test"
    table = parts_by_fold(films, make_params)
    for fold in table:  # 30 of each class are left
        assert films[table[fold] == "val"].groupby("class").size().tolist() == [6, 6]


def test_a_film_with_boxes_is_not_corrected_to_normal_where_boxes_are_learned(make_params, tmp_path):
    films = make_films(100, 100).assign(label=lambda table: table["class"].replace("pneumonia", "opacity"))
    films.drop(columns="class").to_csv(tmp_path / "index.csv", index=False)
    sick = films.loc[films["label"] == "opacity", "file"].iloc[:2]
    pd.DataFrame({"file": sick, "x": 1, "y": 1, "width": 9, "height": 9}).to_csv(tmp_path / "boxes.csv", index=False)
    changes = {"task": "localize", "model": "centernet", "dataset": "rsna", "split.val_per_class": 10}
    params = make_params({**changes, "split.corrections": str(tmp_path / "corrections.csv")})
    row = pd.DataFrame({"file": sick.iloc[:1], "label": "normal", "why": "seen again", "test": "yes"})
    row.to_csv(tmp_path / "corrections.csv", index=False)
    with pytest.raises(
        UserError, match=r"has boxes, so for task localize its label may not be 'normal'; it may be drop"
    ):
        split(params, tmp_path, tmp_path / "split.csv")
    row.assign(label="drop").to_csv(tmp_path / "corrections.csv", index=False)
    split(params, tmp_path, tmp_path / "split.csv")


def test_a_table_of_patients_decides_the_parts(own):
    films = make_films(40, 40, films_a_patient=2)
    patients = pd.Series(sorted(set(films["patient"])))
    wanted = pd.Series(["train", "train", "val", "test", "excluded"] * 8)
    part = own(films, pd.DataFrame({"patient": patients, "part": wanted}))
    assert part.tolist() == films["patient"].map(dict(zip(patients, wanted, strict=True))).tolist()


def test_a_table_of_folds_decides_which_validates(own):
    films = make_films(20, 20)
    numbers = pd.Series(["0", "1", "2", "test"] * 10)
    table = pd.DataFrame({"patient": films["patient"], "part": numbers})
    part = own(films, table, **{"split.folds": 3, "split.fold": 1})
    assert part.tolist() == numbers.map({"0": "train", "1": "val", "2": "train", "test": "test"}).tolist()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda rows: rows.iloc[1:], r"1 patients have no row: normal0"),
        (lambda rows: pd.concat([rows, rows.iloc[:1]]), "patient 'normal0' has two rows"),
        (lambda rows: rows.replace("val", "valid"), "part of patient 'normal1' is 'valid'; it may be train, val, test"),
        (lambda rows: rows.rename(columns={"part": "split"}), "has no column 'part'"),
        (lambda rows: rows.replace("val", "train"), "gives val no film of class 'normal'"),
    ],
)
def test_a_mistake_in_the_table_is_told(own, change, said):
    films = make_films(20, 20)
    rows = pd.DataFrame({"patient": films["patient"], "part": ["train", "val", "test", "train"] * 10})
    with pytest.raises(UserError, match=said):
        own(films, change(rows))


def test_the_official_test_is_no_table_s_to_change(own):
    films = make_films(20, 20, official="train")
    films.loc[films.index % 4 == 0, "official_split"] = "test"
    rows = pd.DataFrame({"patient": films["patient"], "part": ["test", "train", "val", "train"] * 10})
    assert (own(films, rows) == "test").equals(films["official_split"] == "test")
    assert (own(films, rows[films["official_split"] == "train"]) == "test").sum() == 10
    with pytest.raises(UserError, match="'normal0' is in the source's official test, so its part may be test"):
        own(films, rows.replace("test", "train"))
    with pytest.raises(UserError, match="'normal1' is not in the source's official test, which stays"):
        own(films, rows.assign(part=["test", "test", "val", "train"] * 10))


@pytest.fixture
def written(make_params, tmp_path: Path):
    """`split.csv`, with and without a table of corrections."""
    films = make_films(150, 150).assign(label=lambda table: table["class"].replace("pneumonia", "viral"))
    films.drop(columns="class").to_csv(tmp_path / "index.csv", index=False)

    def run(rows: list[tuple[str, ...]] | None = None) -> pd.DataFrame:
        path = None
        if rows is not None:
            path = str(tmp_path / "corrections.csv")
            pd.DataFrame(rows, columns=["file", "label", "why", "test"]).to_csv(path, index=False)
        split(make_params({"split.corrections": path}), tmp_path, tmp_path / "split.csv")
        return pd.read_csv(tmp_path / "split.csv").set_index("file")

    return run


def test_corrections_change_training_films_and_test_films_on_purpose_alone(written):
    before = written()
    train, test = (before.index[before["part"] == part] for part in ("train", "test"))
    healthy = [name for name in train if before.at[name, "class"] == "normal"]
    tested = [name for name in test if before.at[name, "class"] == "normal"]
    after = written(
        [
            (healthy[0], "bacterial", "seen again", ""),
            (healthy[1], "drop", "a lateral film", ""),
            (tested[0], "viral", "by accident", ""),
            (tested[1], "viral", "the radiologist says so", "yes"),
        ]
    )
    assert after.loc[healthy[0], ["label", "class", "part"]].tolist() == ["bacterial", "pneumonia", "train"]
    assert after.loc[healthy[1], ["label", "part"]].tolist() == ["normal", "excluded"]
    assert after.loc[tested[0], "class"] == "normal"
    assert after.loc[tested[1], ["class", "part"]].tolist() == ["pneumonia", "test"]
    others = before.index.drop([healthy[0], healthy[1], tested[1]])
    assert after.loc[others].equals(before.loc[others])  # the same films are tested


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (("x.png", "viral", "why", ""), "'x.png' is no film"),
        (("0000.png", "sick", "why", ""), r"'0000.png' is .*label may be normal, .* or drop"),
        (("0000.png", "viral", " ", ""), "why may not be empty"),
        (("0000.png", "viral", "why", "maybe"), "test may be empty, no or yes"),
    ],
)
def test_a_mistake_in_the_corrections_is_told(written, row, said):
    with pytest.raises(UserError, match=said):
        written([row])
