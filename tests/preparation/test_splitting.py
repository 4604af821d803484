import numpy as np
import pandas as pd
import pytest

from pneumonia.errors import UserError
from pneumonia.preparation.splitting import assign_parts, split


def make_films(normal: int, pneumonia: int, films_a_patient: int = 1, official: str = "") -> pd.DataFrame:
    films = pd.DataFrame({"class": ["normal"] * normal + ["pneumonia"] * pneumonia})
    films["file"] = [f"{number:04}.png" for number in range(len(films))]
    films["patient"] = films["class"] + (films.groupby("class").cumcount() // films_a_patient).astype(str)
    films["official_split"] = official
    return films


def test_val_has_the_wanted_films_of_each_class_and_shares_no_patient(make_params):
    films = make_films(300, 900)
    twins = films.index[films["class"] == "pneumonia"][:400]
    films.loc[twins, "patient"] = [f"several{number // 4}" for number in range(400)]
    films["part"] = assign_parts(films, make_params())
    assert films[films["part"] == "val"]["class"].value_counts().to_dict() == {"normal": 100, "pneumonia": 100}
    assert (films.groupby("patient")["part"].nunique() == 1).all()
    test = films[films["part"] == "test"]["class"].value_counts()
    assert test.to_dict() == {"normal": 60, "pneumonia": 180}  # a fifth of each


def test_the_same_seed_gives_the_same_films_whatever_their_order(make_params):
    films = make_films(300, 600, films_a_patient=2)
    shuffled = films.sample(frac=1, random_state=1)
    first = assign_parts(films, make_params()).set_axis(films["file"])
    again = assign_parts(shuffled, make_params()).set_axis(shuffled["file"])
    assert first.sort_index().equals(again.sort_index())
    other = assign_parts(films, make_params({"seed": 1})).set_axis(films["file"])
    assert not first.equals(other)


def test_the_official_test_split_is_kept_and_val_comes_from_the_training_films(make_params):
    films = make_films(300, 600, official="train")
    films.loc[films.index % 3 == 0, "official_split"] = "test"
    films["part"] = assign_parts(films, make_params())
    assert (films["part"] == "test").equals(films["official_split"] == "test")


def test_training_films_of_patients_in_the_official_test_are_left_out(make_params):
    films = make_films(300, 600, films_a_patient=2, official="train")
    films.loc[films.index % 10 == 0, "official_split"] = "test"  # one of the patient's two films
    films["part"] = assign_parts(films, make_params())
    assert (films[films.index % 10 == 1]["part"] == "excluded").all()
    used = films[films["part"] != "excluded"]
    assert (used.groupby("patient")["part"].nunique() == 1).all()


def test_too_few_films_are_counted_in_the_error(make_params):
    with pytest.raises(UserError, match=r"'normal' has 80 films .* needs 100"):
        assign_parts(make_films(100, 600), make_params())


def test_too_few_patients_are_told_with_the_one_that_has_most(make_params):
    films = make_films(150, 150).assign(patient="images")
    said = r"'normal' has too few patients: 150 of 150 films are of patient 'images'.* train, val, test need"
    with pytest.raises(UserError, match=said):
        assign_parts(films, make_params())
    films["official_split"] = ["train", "test"] * 150
    said = r"'normal' has 0 films .*official test split \(75 of 75 films are of patient 'images'\)"
    with pytest.raises(UserError, match=said):
        assign_parts(films, make_params())
    films.loc[films["official_split"] == "train", "patient"] = "anna"
    with pytest.raises(UserError, match=r"75 of 75 films are of patient 'anna'.* train, val need"):
        assign_parts(films, make_params({"split.val_per_class": 20}))


def test_patients_who_fill_no_part_are_told_with_the_one_that_has_most(make_params):
    films = make_films(300, 300)
    crowd = films.index[films["class"] == "normal"]
    films.loc[crowd, "patient"] = [f"p{number // 100}" for number in range(300)]
    with pytest.raises(UserError, match=r"none of class 'normal' of 300 \(100 of 300 films are of patient 'p0'\)"):
        assign_parts(films, make_params())
    with pytest.raises(UserError, match=r"patients with fewer films \(100 of 200 films are of patient 'p\d'\)"):
        assign_parts(films, make_params({"split.test_fraction": 0.4, "split.val_per_class": 50}))


def test_patients_that_cannot_add_up_are_an_error_that_says_what_can(make_params):
    with pytest.raises(UserError, match=r"add up to 99 validation films, not to 100; split.val_per_class may be 99"):
        assign_parts(make_films(600, 600, films_a_patient=3), make_params())


def test_the_file_has_the_films_rows_in_the_packed_images(make_params, tmp_path):
    films = make_films(200, 400).assign(label=lambda table: table["class"].replace("pneumonia", "viral"))
    films.drop(columns="class").to_csv(tmp_path / "index.csv", index=False)
    split(make_params(), tmp_path, tmp_path / "split.csv")
    written = pd.read_csv(tmp_path / "split.csv")
    assert written["image"].tolist() == list(range(600))
    assert written["file"].tolist() == films["file"].tolist()
    assert set(written.loc[written["label"] == "viral", "class"]) == {"pneumonia"}
    assert np.array_equal(written["part"], assign_parts(films, make_params()))


def of_sites(**sites: pd.DataFrame) -> pd.DataFrame:
    """The films of each site, whose patients are its own."""
    tables = [films.assign(site=site, patient=site + films["patient"]) for site, films in sites.items()]
    return pd.concat(tables, ignore_index=True)


def test_each_site_is_split_on_its_own(make_params):
    kermany = make_films(300, 600, official="train")
    kermany.loc[kermany.index % 3 == 0, "official_split"] = "test"
    films = of_sites(kermany=kermany, rsna=make_films(200, 100), small=make_films(10, 0))
    films["part"] = assign_parts(films, make_params())
    of_kermany = films["site"] == "kermany"
    assert (films["part"] == "test")[of_kermany].equals((films["official_split"] == "test")[of_kermany])
    counts = films.groupby(["part", "site", "class"]).size()
    assert counts["test", "rsna"].to_dict() == {"normal": 40, "pneumonia": 20}  # a fifth of each
    assert counts["test", "small"].to_dict() == {"normal": 2}
    # In proportion to the 200 + 160 + 8 normal and 400 + 80 ill films that are left.
    assert counts["val", "kermany"].to_dict() == {"normal": 54, "pneumonia": 83}
    assert counts["val", "rsna"].to_dict() == {"normal": 44, "pneumonia": 17}
    assert counts["val", "small"].to_dict() == {"normal": 2}
    assert (films.groupby("patient")["part"].nunique() == 1).all()


def test_one_site_is_split_as_films_of_no_site_are(make_params):
    films = make_films(300, 600, films_a_patient=2)
    assert assign_parts(films.assign(site="a"), make_params()).equals(assign_parts(films, make_params()))


def test_a_site_that_is_left_out_is_the_test_and_nothing_else_is(make_params):
    kermany = make_films(300, 600, official="train")
    kermany.loc[kermany.index % 3 == 0, "official_split"] = "test"
    films = of_sites(kermany=kermany, rsna=make_films(200, 100))
    films.loc[films.index[-1], "patient"] = films["patient"][1]  # of the other site too
    films["part"] = assign_parts(films, make_params({"split.leave_out": "rsna"}))
    assert (films["part"] == "test").equals(films["site"] == "rsna")
    assert set(films.loc[films["official_split"] == "test", "part"]) == {"excluded"}
    assert films["part"][1] == "excluded"
    assert films[films["part"] == "val"]["class"].value_counts().to_dict() == {"normal": 100, "pneumonia": 100}


def test_a_site_that_is_not_there_cannot_be_left_out(make_params):
    films = of_sites(kermany=make_films(300, 600), rsna=make_films(200, 100))
    with pytest.raises(UserError, match=r"leave_out is 'nih'; the sites of these films are kermany, rsna"):
        assign_parts(films, make_params({"split.leave_out": "nih"}))
    with pytest.raises(UserError, match=r"leave_out is 'nih'; .* none, since the source tells no sites"):
        assign_parts(make_films(300, 600), make_params({"split.leave_out": "nih"}))


def test_a_table_of_ones_own_and_a_site_that_is_left_out_exclude_each_other(make_params):
    with pytest.raises(UserError, match=r"has file 'own.csv' and leave_out 'rsna'; one of them should be null"):
        make_params({"split.file": "own.csv", "split.leave_out": "rsna"})
