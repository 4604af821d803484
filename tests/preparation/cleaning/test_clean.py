"""Raw directories of real files, made here, through the whole stage."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pneumonia.errors import UserError
from pneumonia.params.load import Params, load_params
from pneumonia.preparation.cleaning.clean import clean
from pneumonia.radiographs.read import resize
from pneumonia.sources.shared.raw import Box, Film, write_index

from ...dicom_files import dicom
from ...hostile_films import HOSTILE

SIZE = 32


def grain(seed: int, height: int = 40, width: int = 60) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (height, width), dtype=np.uint8)


def params(max_rejected: float = 1.0, workers: int = 1) -> Params:
    """Those of the repository, with small images."""
    whole = load_params(Path(__file__).parents[3] / "params.yaml")
    changed = {"image_size": SIZE, "min_size": 28, "max_rejected": max_rejected}
    return whole.model_copy(
        update={
            "clean": whole.clean.model_copy(update=changed),
            "compute": whole.compute.model_copy(update={"workers": workers}),
        }
    )


class Raw:
    """A raw directory in the making."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.films: list[Film] = []
        directory.mkdir()

    def add(self, file: str, content: np.ndarray | bytes | None, label: str = "normal", split: str = "") -> None:
        if isinstance(content, np.ndarray):
            Image.fromarray(content).save(self.directory / file)
        elif content is not None:
            (self.directory / file).write_bytes(content)
        self.films.append(Film(file, label, f"patient of {file}", split))

    def write(self, boxes: list[Box] | None = None) -> Path:
        write_index(self.directory, self.films, {"name": "test", "licence": "none"}, boxes)
        return self.directory


@pytest.fixture
def raw(tmp_path: Path) -> Raw:
    return Raw(tmp_path / "raw")


def run(raw: Path, settings: Params | None = None) -> tuple[np.ndarray, pd.DataFrame, dict[str, str]]:
    """Images, index and reasons by file."""
    out = raw.parent / "clean"
    clean(settings or params(), raw, out, raw.parent / "reports")
    rejected = pd.read_csv(out / "rejected.csv")
    index = pd.read_csv(out / "index.csv", keep_default_na=False)
    return np.load(out / "images.npy"), index, dict(zip(rejected["file"], rejected["reason"], strict=True))


def test_row_k_of_the_index_is_image_k(raw: Raw) -> None:
    halves = np.zeros((64, 96), dtype=np.uint8)
    halves[:, 48:] = 200
    raw.add("c.png", halves, "viral", "test")
    raw.add("b.png", np.rot90(halves)[:, :, None].repeat(3, axis=2), "bacterial", "train")
    raw.add("a.jpeg", grain(0), "normal", "train")
    images, index, rejected = run(raw.write())
    assert (images.dtype, images.shape, rejected) == (np.uint8, (3, SIZE, SIZE), {})
    assert list(index["file"]) == ["a.jpeg", "b.png", "c.png"]
    np.testing.assert_array_equal(images[2][:, [0, 12, 19, 31]], np.tile([0, 0, 200, 200], (SIZE, 1)))
    np.testing.assert_array_equal(images[1][[0, 12, 19, 31]].T, np.tile([200, 200, 0, 0], (SIZE, 1)))
    assert index.drop(columns="bytes").iloc[1:].values.tolist() == [
        ["b.png", "bacterial", "patient of b.png", "train", 64, 96, "RGB", "PNG", "", "", "", "", ""],
        ["c.png", "viral", "patient of c.png", "test", 96, 64, "L", "PNG", "", "", "", "", ""],
    ]
    assert index.loc[0, ["quality", "bytes"]].tolist() == ["75", (raw.directory / "a.jpeg").stat().st_size]


def test_dicom_of_several_frames(raw: Raw, caplog: pytest.LogCaptureFixture) -> None:
    frames = np.stack([grain(0), grain(1), grain(2)])
    raw.add("three.dcm", dicom(frames[0], NumberOfFrames=3, PixelData=frames.tobytes(), PixelSpacing=[0.139, 0.139]))
    raw.add("one.dcm", dicom(grain(3)))
    images, index, _ = run(raw.write())
    assert caplog.messages == ["three.dcm holds 3 frames: the first is packed"]
    np.testing.assert_array_equal(images[1], resize(frames[0], SIZE))
    assert index["spacing"].tolist() == ["", "0.139"]


def test_each_reason(raw: Raw) -> None:
    raw.add("good.png", grain(0))
    whole = (raw.directory / "good.png").read_bytes()
    raw.add("truncated.png", whole[:-600])
    raw.add("corrupt.png", whole[:600] + bytes([whole[600] ^ 1]) + whole[601:])
    raw.add("empty.png", b"")
    raw.add("text.png", b"not a film")
    raw.add("missing.png", None)
    raw.add("constant.png", np.full((40, 40), 7, dtype=np.uint8))
    raw.add("narrow.png", grain(1, 400, 27))
    raw.add("just wide enough.png", grain(1, 400, 28))
    images, index, rejected = run(raw.write())
    assert list(index["file"]) == ["good.png", "just wide enough.png"]
    assert len(images) == 2
    assert list(rejected) == sorted(rejected)
    assert {file: reason.split(":")[0] for file, reason in rejected.items()} == {
        "truncated.png": "truncated",
        "corrupt.png": "corrupt",
        "empty.png": "empty",
        "text.png": "not an image",
        "missing.png": "missing",
        "constant.png": "constant",
        "narrow.png": "too small",
    }
    assert rejected["narrow.png"] == "too small: 27 x 400 pixels"


def test_of_the_same_pixels_the_first_file_stays(raw: Raw) -> None:
    raw.add("2.png", grain(0))
    raw.add("3.png", (raw.directory / "2.png").read_bytes())
    Image.fromarray(grain(0)).save(raw.directory / "1.png", compress_level=0)  # other bytes, the same pixels
    raw.add("1.png", None)
    raw.add("other.png", grain(1))
    images, index, rejected = run(raw.write())
    assert list(index["file"]) == ["1.png", "other.png"]
    assert rejected == {name: "duplicate: same pixels as 1.png" for name in ("2.png", "3.png")}
    assert not np.array_equal(images[0], images[1])


def test_films_that_only_pack_to_the_same_stay(raw: Raw) -> None:
    film = np.tile(np.array([0, 200], dtype=np.uint8).repeat(160), (320, 1))
    almost = film.copy()
    almost[100, 100] = 1  # a hundredth of a pixel of the packed image: rounded away
    raw.add("a.png", film)
    raw.add("b.png", almost)
    raw.add("c.png", film[::2, ::2])
    images, _, rejected = run(raw.write())
    assert rejected == {}
    np.testing.assert_array_equal(images[0], images[1])


def test_the_same_pixels_under_two_labels_all_go(raw: Raw) -> None:
    for file, label in {"1.png": "normal", "2.png": "viral", "3.png": "normal"}.items():
        raw.add(file, grain(0), label)
    raw.add("4.png", grain(1), "viral")
    _, index, rejected = run(raw.write())
    assert list(index["file"]) == ["4.png"]
    assert set(rejected) == {"1.png", "2.png", "3.png"}
    assert set(rejected.values()) == {"label conflict: same pixels in 1.png (normal), 2.png (viral), 3.png (normal)"}


def test_workers_change_nothing(raw: Raw) -> None:
    for number in range(30):
        raw.add(f"{number}.png", grain(number, 30 + 20 * (number % 7)))
    raw.add("broken.png", b"")
    raw.add("copy.png", grain(7, 30))
    raw.write()
    outputs = []
    for workers in (1, 2):
        run(raw.directory, params(workers=workers))
        names = ["clean/images.npy", "clean/index.csv", "clean/rejected.csv", "reports/clean.json"]
        outputs.append([(raw.directory.parent / name).read_bytes() for name in names])
    assert outputs[0] == outputs[1]


def test_boxes_follow_their_films(raw: Raw) -> None:
    raw.add("a.png", grain(0, height=64, width=128))
    raw.add("gone.png", b"")
    raw.write([Box("a.png", x=40, y=10, width=20, height=30), Box("gone.png", 1, 2, 3, 4)])
    run(raw.directory)
    boxes = pd.read_csv(raw.directory.parent / "clean" / "boxes.csv")  # x by 32 / 128, y by 32 / 64
    assert boxes.to_dict("records") == [{"file": "a.png", "x": 10, "y": 5, "width": 5, "height": 15}]


def test_too_many_rejected_is_one_line_and_leaves_the_earlier_output(raw: Raw) -> None:
    for number in range(8):
        raw.add(f"{number}.png", grain(number))
    run(raw.write())
    out = raw.directory.parent / "clean"
    before = {path.name: path.read_bytes() for path in out.iterdir()}
    raw.add("bad 1.png", b"")
    raw.add("bad 2.png", b"")
    run(raw.write(), params(max_rejected=0.2))  # 2 of 10: just allowed
    assert len(pd.read_csv(out / "rejected.csv")) == 2
    with pytest.raises(
        UserError, match=r"2 of 10 films rejected, clean.max_rejected is 0.19; .*'empty' \(2\)"
    ) as caught:
        run(raw.directory, params(max_rejected=0.19))
    assert "\n" not in str(caught.value)
    assert (out / "images.npy").read_bytes() == before["images.npy"]
    assert sorted(path.name for path in raw.directory.parent.iterdir()) == ["clean", "raw", "reports"]


def test_none_left_or_none_given(raw: Raw, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no films"):
        run(raw.write())
    raw.add("bad.png", b"")
    with pytest.raises(UserError, match="1 of 1 films rejected"):
        run(raw.write())
    with pytest.raises(UserError, match="has no index"):
        run(tmp_path / "absent")
    assert not (tmp_path / "clean").exists()


def test_leftovers_of_an_interrupted_run_are_cleared(raw: Raw) -> None:
    leftover = raw.directory.parent / ".partial-clean"
    leftover.mkdir()
    (leftover / "images.npy").write_bytes(b"half")
    raw.add("a.png", grain(0))
    run(raw.write())
    out = raw.directory.parent / "clean"
    files = ["boxes.csv", "images.npy", "index.csv", "near_duplicates.csv", "rejected.csv"]
    assert sorted(path.name for path in out.iterdir()) == files
    assert not leftover.exists()


def test_report_tells_encodings_by_split_and_label(raw: Raw) -> None:
    for number in range(4):
        Image.fromarray(grain(number)).save(raw.directory / f"n{number}.jpeg", quality=90 + number)
        raw.add(f"n{number}.jpeg", None, "normal", "train")
    raw.add("p.png", grain(9, 100, 200), "pneumonia", "test")
    raw.add("q.png", b"", "pneumonia", "test")
    run(raw.write())
    reports = raw.directory.parent / "reports"
    told = json.loads((reports / "clean.json").read_text())
    assert told["kept"]["films"] == told["kept"]["patients"] == 5
    assert told["kept"]["format"] == {"JPEG": 4, "PNG": 1}
    assert told["rejected"] == {"films": 1, "by_reason": {"empty": 1}}
    assert told["by_official_split"]["train"]["normal"]["jpeg_quality"] == {"min": 90, "median": 91.5, "max": 93}
    assert told["by_official_split"]["test"]["pneumonia"]["jpeg_quality"] is None
    assert told["by_label"]["pneumonia"]["width"] == {"min": 200, "median": 200, "max": 200}
    assert not {"boxes", "population"} & set(told)  # nothing is known of them
    assert {path.name for path in (reports / "clean").iterdir()} == {"samples.png", "histograms.png"}
    for name in ("samples.png", "histograms.png"):
        picture = np.asarray(Image.open(reports / "clean" / name).convert("L"))
        assert picture.shape[1] > 500
        assert picture.std() > 10  # something is drawn


def test_hostile_films_are_rejected_by_name_and_the_others_are_as_if_alone(raw: Raw, tmp_path: Path) -> None:
    for number, (name, (made, _)) in enumerate(HOSTILE.items()):
        raw.add(f"good{number}.png", grain(number))
        raw.add(name, made())
    clean(params(workers=2), raw.write(), tmp_path / "clean", tmp_path / "reports")
    rejected = pd.read_csv(tmp_path / "clean" / "rejected.csv").set_index("file")["reason"]
    assert set(rejected.index) == set(HOSTILE)
    for name, (_, reason) in HOSTILE.items():
        assert rejected[name].startswith(reason)
    images = np.load(tmp_path / "clean" / "images.npy")
    np.testing.assert_array_equal(images, [resize(grain(number), SIZE) for number in range(len(HOSTILE))])


def test_what_the_source_tells_of_a_film_comes_before_its_header_and_is_kept(tmp_path):
    raw = tmp_path / "raw"
    raw.mkdir()
    films = []
    for number, facts in enumerate(
        [{"site": "a", "view": "PA", "age": "30", "scanner": "X"}, {"site": "b", "view": "", "age": "", "scanner": ""}]
    ):
        (raw / f"{number}.dcm").write_bytes(dicom(grain(number), ViewPosition="AP", PatientAge="050Y", PatientSex="F"))
        films.append(Film(f"{number}.dcm", "normal", str(number), facts=facts))
    write_index(raw, films, {"name": "test", "licence": "MIT"})
    clean(params(), raw, tmp_path / "clean", tmp_path / "reports")
    index = pd.read_csv(tmp_path / "clean" / "index.csv", keep_default_na=False, dtype=str).set_index("file")
    assert index.columns[-2:].tolist() == ["site", "scanner"]
    told = index[["view", "sex", "age", "site", "scanner"]].to_dict("split")["data"]
    assert told == [["PA", "F", "30", "a", "X"], ["AP", "F", "50.0", "b", ""]]
    population = json.loads((tmp_path / "reports" / "clean.json").read_text())["population"]
    assert {group: each["films"] for group, each in population["age"].items()} == {"30-39": 1, "50-59": 1}
