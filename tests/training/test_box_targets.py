import keras
import numpy as np
import pandas as pd

from pneumonia.models.shared.head import find_head
from pneumonia.training.augmentation import Augment
from pneumonia.training.batches import TrainingBatches
from pneumonia.training.box_targets import BoxTargets

SIZE = 64
POSES = {"train.augmentation.horizontal_flip": True, "train.augmentation.rotation": 0, "train.augmentation.strength": 1}
TONES = {
    f"train.augmentation.{name}": 0 for name in ("gamma", "contrast", "brightness", "noise", "blur", "compression")
}


def test_the_maps_of_a_batch_show_where_its_films_are_bright(make_params):
    """Films with a bright box, moved, stretched and mirrored as in training: the mask lies on what is bright."""
    rng = np.random.default_rng(0)
    boxes = [np.array([[*rng.integers(12, 30, 2), *rng.integers(10, 24, 2)]], float) for _ in range(16)]
    images = np.zeros((16, SIZE, SIZE), np.uint8)
    for image, [[x, y, width, height]] in zip(images, np.array(boxes, int), strict=True):
        image[y : y + height, x : x + width] = 255
    rows = pd.DataFrame({"image": range(16), "class": "opacity", "draws": 1, "augment": False, "weight": 1.0})
    asked = {"task": "localize", "model": "resnet_seg", "clean.image_size": SIZE, "train.batch_size": 16}
    params = make_params(asked | POSES | TONES)
    feed = TrainingBatches(images, rows, params, boxes=BoxTargets(boxes, find_head("resnet_seg"), SIZE))
    inputs, masks, _ = feed[0]
    assert len(set(np.sign(inputs["pose"][:, 0]))) == 2  # some are mirrored
    films = keras.ops.convert_to_numpy(Augment(params.train.augmentation, 0)(**inputs, training=True))
    for film, mask in zip(films[..., 0] > 127, masks[..., 0] > 0, strict=True):
        assert (film & mask).sum() > 0.85 * (film | mask).sum()
