import pandas as pd
import pytest

from pneumonia.errors import UserError
from pneumonia.preparation.rebalancing import draw_rows, rebalance


@pytest.fixture
def films() -> pd.DataFrame:
    """20 normal and 60 pneumonia films."""
    classes = ["normal"] * 20 + ["pneumonia"] * 60
    labels = ["normal"] * 20 + ["viral"] * 25 + ["bacterial"] * 35
    files = [f"{number}.png" for number in range(80)]
    return pd.DataFrame({"image": range(100, 180), "file": files, "label": labels, "class": classes})


def draws(rows: pd.DataFrame) -> dict[str, int]:
    return rows.groupby("class")["draws"].sum().to_dict()


def test_none_draws_every_film_once(films):
    rows = draw_rows(films, "none", 0)
    assert draws(rows) == {"normal": 20, "pneumonia": 60}
    assert (rows["weight"] == 1).all()


def test_class_weight_gives_both_classes_the_same_weight_in_all(films):
    rows = draw_rows(films, "class_weight", 0)
    assert rows.groupby("class")["weight"].first().to_dict() == {"normal": 2.0, "pneumonia": pytest.approx(2 / 3)}
    assert draws(rows) == {"normal": 20, "pneumonia": 60}


def test_oversample_repeats_the_minority_until_the_classes_match(films):
    rows = draw_rows(films, "oversample", 0)
    assert draws(rows) == {"normal": 60, "pneumonia": 60}
    assert set(rows["image"]) == set(films["image"])  # none is lost


def test_undersample_drops_films_of_the_majority_until_the_classes_match(films):
    rows = draw_rows(films, "undersample", 0)
    assert draws(rows) == {"normal": 20, "pneumonia": 20}
    assert (rows["draws"] == 1).all()


def test_augment_marks_the_repeats_and_only_them(films):
    rows = draw_rows(films, "augment", 0)
    assert draws(rows) == {"normal": 60, "pneumonia": 60}
    repeats = rows[rows["augment"]]
    assert set(repeats["class"]) == {"normal"}
    assert repeats["draws"].sum() == 40
    assert (rows[~rows["augment"]]["draws"] == 1).all()


def test_the_seed_decides_which_films_are_kept(films):
    kept = [set(draw_rows(films, "undersample", seed)["image"]) for seed in (0, 0, 1)]
    assert kept[0] == kept[1] != kept[2]


def test_only_training_films_are_drawn(films, make_params, tmp_path):
    films.assign(patient="p", part=["train"] * 15 + ["val"] * 5 + ["train"] * 40 + ["test"] * 20).to_csv(
        tmp_path / "split.csv", index=False
    )
    rebalance(make_params(), tmp_path / "split.csv", tmp_path / "train.csv", tmp_path / "classes.png")
    assert draws(pd.read_csv(tmp_path / "train.csv")) == {"normal": 15, "pneumonia": 40}
    assert (tmp_path / "classes.png").stat().st_size > 5_000


def test_by_site_and_class_no_site_tells_the_label(films):
    films["site"] = (["a"] * 15 + ["b"] * 5) + (["a"] * 10 + ["b"] * 50)
    rows = draw_rows(films, "class_weight", 0, "site_and_class")
    weights = rows.groupby(["site", "class"])["weight"].sum()
    assert weights.to_numpy() == pytest.approx([20, 20, 20, 20])
    rows = draw_rows(films, "oversample", 0, "site_and_class")
    assert rows.groupby(["site", "class"])["draws"].sum().tolist() == [50, 50, 50, 50]
    with pytest.raises(UserError, match="no site is known"):
        draw_rows(films.drop(columns="site"), "none", 0, "site_and_class")


def test_a_site_without_films_of_a_class_is_told(films, make_params, tmp_path, capsys):
    params = make_params({"rebalance.by": "site_and_class"})
    for sites, told in (
        (["a"] * 20 + ["a", "b"] * 30, "warning: no training films of b/normal: there the site"),
        (["a", "b"] * 40, ""),
    ):
        films.assign(patient="p", part="train", site=sites).to_csv(tmp_path / "split.csv", index=False)
        rebalance(params, tmp_path / "split.csv", tmp_path / "train.csv", tmp_path / "classes.png")
        said = capsys.readouterr().err
        assert told in said
        assert bool(said) == bool(told)
