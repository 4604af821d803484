import hashlib
import importlib.util
import json
import os
import stat
from pathlib import Path
from zipfile import ZipFile

import pytest

from pneumonia.errors import UserError
from pneumonia.sources.kermany import source as kermany
from pneumonia.sources.shared.fetching import Download
from pneumonia.sources.shared.raw import read_index

from .settings import settings

REAL_FILMS = Path(__file__).parents[2] / ".." / "shared" / "data" / "chest_xray"

KAGGLE_TREE = {
    "train/NORMAL/IM-0115-0001.jpeg": b"1",
    "train/NORMAL/NORMAL2-IM-0115-0001.jpeg": b"2",
    "train/PNEUMONIA/person12_bacteria_46.jpeg": b"3",
    "train/PNEUMONIA/person12_bacteria_47.jpeg": b"4",
    "train/PNEUMONIA/person12_virus_48.jpeg": b"5",
    "val/NORMAL/NORMAL2-IM-1427-0001.jpeg": b"6",
    "test/PNEUMONIA/person447_virus_921_1.jpeg": b"7",
    "test/NORMAL/IM-0011-0001-0002.jpeg": b"8",
}


def write_tree(root: Path, prefix: str = "") -> Path:
    for name, content in KAGGLE_TREE.items():
        (root / prefix / name).parent.mkdir(parents=True, exist_ok=True)
        (root / prefix / name).write_bytes(content)
    return root


def write_kaggle_zip(path: Path) -> Path:
    """As Kaggle serves it: the tree, the tree again inside of it, and what macOS adds."""
    with ZipFile(path, "w") as zip_file:
        for name, content in KAGGLE_TREE.items():
            zip_file.writestr(f"chest_xray/{name}", content)
            zip_file.writestr(f"chest_xray/chest_xray/{name}", b"nested copy")
            folder, _, file = name.rpartition("/")
            zip_file.writestr(f"chest_xray/__MACOSX/{folder}/{file}", b"fork")
            zip_file.writestr(f"chest_xray/{folder}/._{file}", b"fork")
        zip_file.writestr("chest_xray/train/.DS_Store", b"finder")
    return path


def fetch(path: Path, directory: Path, compute) -> None:
    directory.mkdir()
    kermany.fetch(settings("kermany", path=str(path), origin="mendeley"), directory, compute)


def message_of(path: Path, directory: Path, compute) -> str:
    with pytest.raises(UserError) as caught:
        fetch(path, directory, compute)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def images_in(directory: Path) -> dict[str, bytes]:
    images = directory / "images"
    return {path.relative_to(images).as_posix(): path.read_bytes() for path in images.rglob("*") if path.is_file()}


def test_labels_patients_and_splits(tmp_path, compute):
    fetch(write_tree(tmp_path / "films"), tmp_path / "raw", compute)
    assert images_in(tmp_path / "raw") == KAGGLE_TREE
    assert read_index(tmp_path / "raw").to_numpy().tolist() == [
        ["images/test/NORMAL/IM-0011-0001-0002.jpeg", "normal", "IM-0011", "test"],
        ["images/test/PNEUMONIA/person447_virus_921_1.jpeg", "viral", "virus-447", "test"],
        ["images/train/NORMAL/IM-0115-0001.jpeg", "normal", "IM-0115", "train"],
        ["images/train/NORMAL/NORMAL2-IM-0115-0001.jpeg", "normal", "NORMAL2-IM-0115", "train"],
        ["images/train/PNEUMONIA/person12_bacteria_46.jpeg", "bacterial", "bacteria-12", "train"],
        ["images/train/PNEUMONIA/person12_bacteria_47.jpeg", "bacterial", "bacteria-12", "train"],
        ["images/train/PNEUMONIA/person12_virus_48.jpeg", "viral", "virus-12", "train"],
        ["images/val/NORMAL/NORMAL2-IM-1427-0001.jpeg", "normal", "NORMAL2-IM-1427", "train"],
    ]


def test_names_of_version_3_and_of_no_version():
    bacterial = kermany.film_of("CellData/chest_xray/train/PNEUMONIA/BACTERIA-7422-0001.jpeg")
    assert (bacterial.label, bacterial.patient) == ("bacterial", "BACTERIA-7422")
    normal = kermany.film_of("CellData/chest_xray/test/NORMAL/NORMAL-4512-0001.jpeg")
    assert (normal.label, normal.patient, normal.official_split) == ("normal", "NORMAL-4512", "test")
    other = kermany.film_of("train/PNEUMONIA/scan.jpeg")
    assert (other.label, other.patient) == ("pneumonia", "train/PNEUMONIA/scan.jpeg")


@pytest.mark.parametrize("prefix", ["", "chest_xray", "CellData/chest_xray"])
def test_the_tree_is_found_below_the_path(tmp_path, compute, prefix):
    fetch(write_tree(tmp_path / "films", prefix), tmp_path / "raw", compute)
    assert images_in(tmp_path / "raw") == KAGGLE_TREE


def test_kaggles_zip_is_read_without_its_nested_copy(tmp_path, compute):
    archive = write_kaggle_zip(tmp_path / "archive.zip")
    fetch(archive, tmp_path / "raw", compute)
    assert images_in(tmp_path / "raw") == KAGGLE_TREE
    source = json.loads((tmp_path / "raw" / "source.json").read_text())
    assert source["path"] == str(archive) and source["licence"] == "CC BY 4.0"
    assert source["sha256"] == hashlib.sha256(archive.read_bytes()).hexdigest()


def test_the_copy_is_writable_and_no_link(tmp_path, compute):
    film = write_tree(tmp_path / "films") / "train/NORMAL/IM-0115-0001.jpeg"
    film.chmod(0o444)
    fetch(tmp_path / "films", tmp_path / "raw", compute)
    copy = tmp_path / "raw/images/train/NORMAL/IM-0115-0001.jpeg"
    assert copy.stat().st_ino != film.stat().st_ino and not copy.is_symlink()
    assert copy.stat().st_mode & stat.S_IWUSR


def test_links_are_followed_and_what_macos_adds_is_told(tmp_path, compute, capsys):
    write_tree(tmp_path / "stored")
    films = tmp_path / "films"
    (films / "chest_xray" / "train" / "NORMAL").mkdir(parents=True)
    for name in KAGGLE_TREE:
        if name.startswith("train/NORMAL"):  # as DVC has a folder in its cache: each file is a link
            (films / "chest_xray" / name).symlink_to(tmp_path / "stored" / name)
    for name in ("train/PNEUMONIA", "val", "test"):
        (films / "chest_xray" / name).symlink_to(tmp_path / "stored" / name)
    write_tree(films, "__MACOSX/chest_xray")
    (films / "chest_xray" / "val" / "NORMAL" / "gone.jpeg").symlink_to("nowhere")
    fetch(films, tmp_path / "raw", compute)
    assert images_in(tmp_path / "raw") == KAGGLE_TREE
    told = capsys.readouterr().err
    assert "warning: left out 1 hidden files and folders, or the system's (the first is __MACOSX)\n" in told
    assert "left out 1 films that are links and lead nowhere (the first is chest_xray/val/NORMAL/gone.jpeg)\n" in told


def test_a_film_with_a_name_that_is_not_utf_8(tmp_path, compute):
    films = write_tree(tmp_path / "films")
    with open(os.fsencode(films) + b"/train/PNEUMONIA/person1_bacteria_\xe9.jpeg", "wb") as file:
        file.write(b"9")
    fetch(films, tmp_path / "raw", compute)
    assert images_in(tmp_path / "raw") == KAGGLE_TREE | {"train/PNEUMONIA/person1_bacteria_\\xe9.jpeg": b"9"}
    patients = read_index(tmp_path / "raw").set_index("file")["patient"]
    assert patients["images/train/PNEUMONIA/person1_bacteria_\\xe9.jpeg"] == "bacteria-1"


def test_counts_that_differ_from_the_published_are_a_warning(tmp_path, compute, capsys):
    fetch(write_tree(tmp_path / "films"), tmp_path / "raw", compute)
    warning = (
        "the films are not those published: train normal 3 of 1,349, train pneumonia 3 of 3,883, "
        "test normal 1 of 234, test pneumonia 1 of 390"
    )
    assert f"warning: {warning}\n" in capsys.readouterr().err
    assert json.loads((tmp_path / "raw" / "source.json").read_text())["warnings"] == [warning]


def test_mendeleys_zip_is_downloaded_once(web, tmp_path):
    web.files["file_downloaded"] = write_kaggle_zip(tmp_path / "films.zip").read_bytes()
    sha256 = hashlib.sha256(web.files["file_downloaded"]).hexdigest()
    size = len(web.files["file_downloaded"])
    download = Download(f"{web.url}/file_downloaded", "ChestXRay2017.zip", f"sha256:{sha256}", size)
    for raw in (tmp_path / "raw", tmp_path / "again"):
        kermany.fetch_mendeley(raw, tmp_path / "cache", download)
        assert images_in(raw) == KAGGLE_TREE
    source = json.loads((tmp_path / "raw" / "source.json").read_text())
    assert (source["url"], source["bytes"], source["sha256"]) == (download.url, size, sha256)
    assert web.requests["file_downloaded"] == 1


def test_a_failed_download_says_what_else_may_be_done(web, tmp_path):
    download = Download(f"{web.url}/file_downloaded", "ChestXRay2017.zip", "sha256:0", 1)
    with pytest.raises(UserError, match=r"404.*datasets\.kermany\.path may name a folder or zip"):
        kermany.fetch_mendeley(tmp_path / "raw", tmp_path / "cache", download)


def test_paths_that_hold_no_such_tree(tmp_path, compute):
    films = write_tree(tmp_path / "films")
    raw = tmp_path / "raw"
    assert "no such file or folder" in message_of(tmp_path / "none", raw, compute)
    raw.rmdir()
    below = message_of(films / "train", raw, compute)
    assert "holds NORMAL/IM-0115-0001.jpeg" in below and "train|val|test/NORMAL|PNEUMONIA/*.jpeg" in below
    raw.rmdir()
    (tmp_path / "empty").mkdir()
    assert "holds no JPEG at all" in message_of(tmp_path / "empty", raw, compute)
    raw.rmdir()
    (tmp_path / "page.zip").write_text("<html>")
    assert "is not a zip archive" in message_of(tmp_path / "page.zip", raw, compute)
    raw.rmdir()
    write_tree(tmp_path / "two", "a")
    write_tree(tmp_path / "two", "b")
    assert "more than one tree, below a and b" in message_of(tmp_path / "two", raw, compute)


def test_a_relative_path_starts_at_the_main_repository(tmp_path, compute, monkeypatch):
    write_tree(tmp_path / "main" / "films")
    (tmp_path / "experiment").mkdir()
    monkeypatch.chdir(tmp_path / "experiment")
    monkeypatch.setenv("DVC_ROOT", str(tmp_path / "main"))
    fetch(Path("films"), tmp_path / "raw", compute)
    assert images_in(tmp_path / "raw") == KAGGLE_TREE
    assert json.loads((tmp_path / "raw" / "source.json").read_text())["path"] == "films"


@pytest.mark.skipif(importlib.util.find_spec("kagglehub") is not None, reason="kagglehub is installed")
def test_kaggle_without_its_package_names_the_command(tmp_path, compute):
    with pytest.raises(UserError, match="pip install kagglehub"):
        kermany.fetch(settings("kermany", path=None, origin="kaggle"), tmp_path, compute)


@pytest.mark.skipif(not REAL_FILMS.is_dir(), reason="no real films beside the repository")
def test_patients_of_the_real_films():
    names = [os.path.relpath(path, REAL_FILMS) for path in REAL_FILMS.rglob("*.jpeg")]
    films = [kermany.film_of(name) for name in names]
    train = {film.patient for film in films if film.official_split == "train"}
    test = {film.patient for film in films if film.official_split == "test"}
    assert (len(films), len(train | test), len(train & test)) == (5558, 3893, 0)
    of_train = [film.label for film in films if film.official_split == "train"]
    counts = {label: of_train.count(label) for label in ("normal", "bacterial", "viral", "pneumonia")}
    assert counts == {"normal": 1349, "bacterial": 2538, "viral": 1345, "pneumonia": 0}
