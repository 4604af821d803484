"""The batches that a network learns from: films gathered from the memory map, blended, in random pose and tone."""

import keras
import numpy as np
import pandas as pd

from pneumonia.params.load import Params
from pneumonia.preparation.packed.films import class_numbers
from pneumonia.training.augmentation import draw_pose_and_tone
from pneumonia.training.blending import Blend, blend_images, blend_targets, draw_blend
from pneumonia.training.box_targets import BoxTargets
from pneumonia.training.surroundings import Exchange, draw_exchange, exchange_surroundings


def targets(classes: np.ndarray, count: int) -> np.ndarray:
    """The targets of the loss, float32, for class numbers (N,): 0 or 1, (N, 1), with `count` 2, else one-hot (N, C)."""
    return classes[:, None].astype("float32") if count == 2 else np.eye(count, dtype="float32")[classes]


class TrainingBatches(keras.utils.PyDataset):
    """The rows of `train.csv`, shuffled anew each epoch, blended, some in other surroundings, in random pose and tone.

    A batch is `(inputs, targets, weights)`. The inputs are `image`, uint8 (B, S, S, 1), `pose`, float32 (B, 8), and
    `tone`, float32 (B, 6) (see `augmentation.draw_pose_and_tone`); the targets are those of `targets`, or with `boxes`
    their maps in each film's pose; the weights are float32 (B,). A batch depends on the seed, the epoch and its number
    alone, whatever was drawn before.

    Every batch has one shape, since a step is compiled anew for each: the last one of an epoch is filled up with films
    of weight 0, and the others' weights rise by as much, so that the mean loss is that of the films that are left.

    Keras hands them to TensorFlow without saying how many films they have, and so it must stay: where TensorFlow knows,
    it adds up three gradients or more of one tensor in the order in which its threads bring them, and two trainings
    with one seed differ.

    Where several processes are each fed on their own, `shard`, `(number, count)`, says which of `count` equal shards of
    each batch this one gets.
    """

    def __init__(
        self,
        images: np.ndarray,
        rows: pd.DataFrame,
        params: Params,
        shard: tuple[int, int] = (0, 1),
        boxes: BoxTargets | None = None,
    ) -> None:
        super().__init__()
        rows = rows.loc[rows.index.repeat(rows["draws"])]
        self.images, self.settings, self.seed = images, params.train, params.seed
        self.shard, self.boxes = shard, boxes
        self.image = rows["image"].to_numpy()
        names = params.classes
        self.target = targets(class_numbers(rows["class"], names), len(names))
        self.weight = rows["weight"].to_numpy("float32")
        self.augment = {
            "all": np.ones(len(rows), bool),
            "repeats": rows["augment"].to_numpy(bool),
            "none": np.zeros(len(rows), bool),
        }[self.settings.augmentation.apply_to]
        self.begin_epoch(0)

    def begin_epoch(self, epoch: int) -> None:
        """Give the batches of `epoch`, from 0: the films in another order, blended and augmented in another way."""
        self.epoch = epoch
        self.order = np.random.default_rng([self.seed, epoch]).permutation(len(self.image))

    def __len__(self) -> int:
        return -(-len(self.order) // self.settings.batch_size)

    def __getitem__(self, number: int) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
        size = self.settings.batch_size
        own = self.order[number * size : (number + 1) * size]
        rows = np.concatenate([own, np.resize(self.order, size - len(own))])
        counts = np.where(np.arange(size) < len(own), np.float32(size / len(own)), np.float32(0))
        # Not `number` itself: NumPy takes trailing zeros as absent, and [seed, epoch] is what the epoch shuffles with.
        rng = np.random.default_rng([self.seed, self.epoch, number + 1])
        pose, tone = draw_pose_and_tone(rng, self.augment[rows], self.images.shape[1], self.settings.augmentation)
        blend = draw_blend(rng, len(rows), self.images.shape[1], self.settings)
        exchange = draw_exchange(rng, len(rows), self.settings.exchanged_surroundings)
        blended, around = rng.choice(self.order, len(rows)), rng.choice(self.order, len(rows))
        # The draws are for the whole batch, so that several processes make the same batch as one.
        mine, processes = self.shard
        shard = slice(mine * len(rows) // processes, (mine + 1) * len(rows) // processes)
        rows, blended, around, pose, tone = rows[shard], blended[shard], around[shard], pose[shard], tone[shard]
        counts = counts[shard]
        blend, exchange = Blend(*(each[shard] for each in blend)), Exchange(*(each[shard] for each in exchange))
        images, target, weight = self.images[self.image[rows]], self.target[rows], self.weight[rows]
        if self.settings.mixup or self.settings.cutmix:
            images = blend_images(images, self.images[self.image[blended]], blend)
            target, weight = blend_targets(target, weight, self.target[blended], self.weight[blended], blend.share)
        if self.settings.exchanged_surroundings:
            images = exchange_surroundings(images, self.images[self.image[around]], exchange)
        if self.boxes:
            target = self.boxes(self.image[rows], pose)
        return {"image": images[..., None], "pose": pose, "tone": tone}, target, weight * counts
