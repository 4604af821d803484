import numpy as np
import pandas as pd
import pytest
from PIL import Image

from pneumonia.annotations.boxes import by_confidence, follow, iou, paint, rescale
from pneumonia.preparation.cleaning.clean import clean
from pneumonia.radiographs.read import resize
from pneumonia.sources.shared.raw import Box, Film, write_index
from pneumonia.training.augmentation import Augment, draw_pose_and_tone

SIZE, FILMS = 96, 64
STILL = {
    f"train.augmentation.{name}": 0
    for name in ("rotation", "zoom", "shift", "gamma", "contrast", "brightness", "noise", "blur", "compression")
}


def random_boxes(count: int, low: int, high: int) -> np.ndarray:
    """Boxes of whole pixels, 12 to 30 wide and high, with their corners between `low` and `high`."""
    rng = np.random.default_rng(0)
    sizes = rng.integers(12, 31, (count, 2))
    return np.concatenate([rng.integers(low, high - sizes), sizes], axis=1).astype(float)


def bright_box(image: np.ndarray) -> np.ndarray:
    """The box around all pixels of more than half the brightness."""
    rows, columns = np.nonzero(image > 127.5)
    return np.array([columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1])


def edges(box: np.ndarray) -> np.ndarray:
    """Left, top, right, bottom."""
    return np.concatenate([box[:2], box[:2] + box[2:]])


def augmented(make_params, films: np.ndarray, **ranges) -> tuple[np.ndarray, np.ndarray]:
    """The films, bool (B, S, S), as training sees them, float (B, S, S), and their poses."""
    changes = STILL | {"train.augmentation.strength": 1} | {f"train.augmentation.{k}": v for k, v in ranges.items()}
    settings = make_params(changes).train.augmentation
    pose, tone = draw_pose_and_tone(np.random.default_rng(1), np.ones(len(films), bool), SIZE, settings)
    seen = Augment(settings, 0)(255 * films[..., None].astype(np.uint8), pose, tone, training=True)
    return np.asarray(seen)[..., 0], pose


def test_iou_by_hand():
    box = np.array([[0, 0, 10, 10]])
    others = np.array([[0, 0, 10, 10], [5, 0, 10, 10], [10, 0, 10, 10], [2, 2, 5, 5], [3, 3, 0, 0]])
    assert iou(box, others)[0] == pytest.approx([1, 50 / 150, 0, 25 / 100, 0])
    assert iou(np.zeros((0, 5)), others).shape == (0, 5)


def test_equal_confidences_keep_their_order():
    ranked = by_confidence(np.array([[1, 0, 0, 0, 0.5], [2, 0, 0, 0, 0.9], [3, 0, 0, 0, 0.5]]))
    assert ranked[:, 0].tolist() == [2, 1, 3]


def test_a_painted_mask_holds_the_pixels_whose_centres_are_inside():
    mask = paint(np.array([[1, 0, 2, 1], [2.4, 2.6, 1.2, 9]]), 4)
    assert mask.astype(int).tolist() == [[0, 1, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 1, 1]]


def test_boxes_of_a_stretched_film_go_there_and_back():
    box = np.array([[40.0, 10, 20, 30, 0.7]])
    packed = rescale(box, (64, 128), (32, 32))
    assert packed.tolist() == [[10, 5, 5, 15, 0.7]]
    assert rescale(packed, (32, 32), (64, 128)).tolist() == box.tolist()


@pytest.mark.parametrize("ranges", [{}, {"horizontal_flip": True}, {"zoom": 0.4}, {"shift": 0.4}], ids=str)
def test_boxes_follow_every_flip_zoom_and_shift(make_params, ranges):
    check_upright(make_params, **ranges)


def test_boxes_follow_all_of_them_at_once(make_params):
    check_upright(make_params, horizontal_flip=True, zoom=0.3, shift=0.3)


def check_upright(make_params, **ranges) -> None:
    """To half a pixel, which is where a pixel's centre leaves a box, also where the film's edge cuts the box."""
    boxes = random_boxes(FILMS, 0, SIZE)
    seen, poses = augmented(make_params, np.stack([paint(box[None], SIZE) for box in boxes]), **ranges)
    compared = 0
    for image, box, pose in zip(seen, boxes, poses, strict=True):
        followed, remains = follow(box[None], pose, SIZE)
        if remains[0]:
            assert edges(followed[0]) == pytest.approx(edges(bright_box(image)), abs=0.51)
            compared += 1
    assert compared > FILMS / 2


def test_boxes_follow_turns_as_tightly_as_an_upright_box_can(make_params):
    boxes = random_boxes(FILMS, 20, SIZE - 20)
    films = np.stack([paint(box[None], SIZE) for box in boxes])
    seen, poses = augmented(make_params, films, rotation=0.6, zoom=0.1, horizontal_flip=True)
    for image, box, pose in zip(seen, boxes, poses, strict=True):
        followed = edges(follow(box[None], pose, SIZE)[0][0])
        outside = (followed - edges(bright_box(image))) * [-1, -1, 1, 1]
        assert outside.min() > -0.51
        assert outside.max() < 2  # the tip of a corner, which covers no pixel's centre


def test_a_turned_ellipse_stays_in_its_box(make_params):
    boxes = random_boxes(FILMS, 20, SIZE - 20)
    y, x = np.mgrid[:SIZE, :SIZE] + 0.5
    films = np.stack([((x - left) / w - 0.5) ** 2 + ((y - top) / h - 0.5) ** 2 <= 0.25 for left, top, w, h in boxes])
    seen, poses = augmented(make_params, films, rotation=0.6, zoom=0.1, horizontal_flip=True)
    for image, box, pose in zip(seen, boxes, poses, strict=True):
        followed = edges(follow(box[None], pose, SIZE)[0][0])
        assert ((followed - edges(bright_box(image))) * [-1, -1, 1, 1]).min() > -0.51


def test_a_box_of_which_too_little_is_left_does_not_remain():
    shifted = np.array([1, 0, 30, 0, 1, 0, 0, 0])  # what was at 30 is now at 0
    boxes = np.array([[20.0, 10, 20, 8], [10, 10, 25, 8], [10, 10, 30, 8], [0, 0, 20, 8]])
    followed, remains = follow(boxes, shifted, 64)
    assert remains.tolist() == [True, False, True, False]  # 10 of 20, 5 of 25, 10 of 30 pixels, none
    assert followed[remains].tolist() == [[0, 10, 10, 8], [0, 10, 10, 8]]


def test_a_film_without_boxes_has_none_after_it_was_augmented():
    followed, remains = follow(np.zeros((0, 4)), np.array([1, 0, 0, 0, 1, 0, 0, 0]), 64)
    assert (followed.shape, remains.shape) == ((0, 4), (0,))


@pytest.mark.parametrize("height, width", [(300, 200), (97, 180), (60, 50)])
def test_boxes_follow_a_resize(height, width):
    """Smaller and larger: antialiasing blurs an edge alike to both sides."""
    for box in random_boxes(30, 0, 50) * [width / 50, height / 50, width / 50, height / 50]:
        box = np.round(box)
        x, y, w, h = box.astype(int)
        film = np.zeros((height, width), np.uint8)
        film[y : y + h, x : x + w] = 255
        expected = edges(rescale(box[None], (height, width), (SIZE, SIZE))[0])
        assert expected == pytest.approx(edges(bright_box(resize(film, SIZE))), abs=0.6)


def test_boxes_follow_their_films_through_clean(make_params, tmp_path):
    raw, out = tmp_path / "raw", tmp_path / "clean"
    (raw / "images").mkdir(parents=True)
    rng = np.random.default_rng(2)
    films, boxes = [], []
    for number, (x, y, w, h) in enumerate(random_boxes(6, 0, 100).astype(int)):
        pixels = rng.integers(0, 60, (140 + 20 * number, 260 - 20 * number), dtype=np.uint8)
        pixels[y : y + h, x : x + w] = 255
        file = f"images/{number}.png"
        Image.fromarray(pixels).save(raw / file)
        films.append(Film(file, "pneumonia", str(number)))
        boxes.append(Box(file, float(x), float(y), float(w), float(h)))
    write_index(raw, films, {"name": "test", "licence": "none"}, boxes)
    clean(make_params({"clean.image_size": SIZE, "compute.workers": 1}), raw, out, tmp_path / "reports")

    packed, index = np.load(out / "images.npy"), pd.read_csv(out / "index.csv")
    scaled = pd.read_csv(out / "boxes.csv").set_index("file")
    for image, file in zip(packed, index["file"], strict=True):
        assert edges(scaled.loc[file].to_numpy()) == pytest.approx(edges(bright_box(image)), abs=1)
