"""The model that is fitted: a network behind the augmentation, with the losses of its auxiliary heads."""

import keras
import numpy as np
from keras import ops

from pneumonia.models.shared.head import Head
from pneumonia.params.stages import Train
from pneumonia.training.augmentation import TONE, Augment
from pneumonia.training.optimization import make_loss, make_optimizer

AUXILIARY_WEIGHT = 0.3
"""The weight of an auxiliary head's loss (Szegedy et al., Going Deeper with Convolutions, CVPR 2015, section 5)."""


class Learner(keras.Model):
    """A model whose first output counts; the others are auxiliary heads, which only add to the training loss."""

    auxiliary_loss: keras.losses.Loss

    def fit(self, *arguments: object, **options: object) -> keras.callbacks.History:
        """Fit as Keras does. At its end a moving average and its weight are one array on JAX: they become two.

        The next `fit` hands its arrays over to the step, which would use up one twice.
        """
        history = super().fit(*arguments, **options)
        if self.optimizer.use_ema:
            for variable in self.trainable_variables:
                variable.assign(np.array(ops.convert_to_numpy(variable)))
        return history

    def compute_loss(
        self,
        x: keras.KerasTensor | None = None,
        y: keras.KerasTensor | None = None,
        y_pred: keras.KerasTensor | None = None,
        sample_weight: keras.KerasTensor | None = None,
        training: bool = True,
    ) -> keras.KerasTensor:
        """The loss of the first output, plus in training those of the auxiliary heads."""
        first, *auxiliary = keras.tree.flatten(y_pred)
        loss = super().compute_loss(x, y, first, sample_weight, training)
        for other in auxiliary if training else []:
            loss = loss + AUXILIARY_WEIGHT * self.auxiliary_loss(y, other, sample_weight)
        return loss

    def compute_metrics(
        self,
        x: keras.KerasTensor,
        y: keras.KerasTensor,
        y_pred: keras.KerasTensor,
        sample_weight: keras.KerasTensor | None = None,
    ) -> dict[str, float]:
        """The metrics of the first output against the class with the largest share in each blend."""
        first = keras.tree.flatten(y_pred)[0]
        if first.shape[-1] == 1:
            y = ops.cast(y > 0.5, "float32")
        else:
            y = ops.one_hot(ops.argmax(y, axis=-1), first.shape[-1], dtype="float32")
        return super().compute_metrics(x, y, first, sample_weight)


class LocalisingLearner(Learner):
    """A model with two outputs, a map of where opacities are and the film's probability: see `models.shared.head`."""

    head: Head

    def compute_loss(
        self,
        x: keras.KerasTensor | None = None,
        y: keras.KerasTensor | None = None,
        y_pred: keras.KerasTensor | None = None,
        sample_weight: keras.KerasTensor | None = None,
        training: bool = True,
    ) -> keras.KerasTensor:
        """The head's loss, the mean over the films by their weights."""
        maps, probability = keras.tree.flatten(y_pred)
        return ops.mean(sample_weight * self.head.loss(y, maps, probability))

    def compute_metrics(
        self,
        x: keras.KerasTensor,
        y: keras.KerasTensor,
        y_pred: keras.KerasTensor,
        sample_weight: keras.KerasTensor | None = None,
    ) -> dict[str, float]:
        """The metrics of the film's probability against whether it has a box."""
        has_box = ops.cast(ops.max(y[..., 0], axis=(1, 2))[:, None] >= 1, "float32")
        return super().compute_metrics(x, has_box, keras.tree.flatten(y_pred)[1], sample_weight)


def make_learner(network: keras.Model, settings: Train, seed: int, head: Head | None = None) -> Learner:
    """`network` behind the augmentation, for the inputs of `batches.TrainingBatches`; a localiser has a `head`."""
    size = network.input_shape[1]
    inputs = {
        "image": keras.Input((size, size, 1), dtype="uint8", name="image"),
        "pose": keras.Input((8,), dtype="float32", name="pose"),
        "tone": keras.Input((TONE,), dtype="float32", name="tone"),
    }
    outputs = network(Augment(settings.augmentation, seed)(**inputs))
    if head is None:
        return Learner(inputs, outputs)
    learner = LocalisingLearner(inputs, outputs)
    learner.head = head
    return learner


def compile_learner(learner: Learner, settings: Train, learning_rate: float, epochs: int, steps: int) -> None:
    """Give `learner` a fresh optimizer for `epochs` of `steps` batches, its loss and its metrics."""
    localises = isinstance(learner, LocalisingLearner)
    classes = 1 if localises else keras.tree.flatten(learner.output)[0].shape[-1]
    accuracy = keras.metrics.BinaryAccuracy if classes == 1 else keras.metrics.CategoricalAccuracy
    learner.compile(
        make_optimizer(settings, learning_rate, epochs, steps),
        None if localises else make_loss(settings, classes),
        # The area under the ROC curve of each class against the others, averaged over the classes.
        weighted_metrics=[accuracy(name="accuracy"), keras.metrics.AUC(name="auc", multi_label=classes > 1)],
    )
    learner.auxiliary_loss = make_loss(settings, classes)
    learner.optimizer.build(learner.trainable_variables)


def plain_inputs(images: np.ndarray) -> dict[str, np.ndarray]:
    """A learner's inputs for films, uint8 (B, S, S), as they are: outside training it ignores pose and tone."""
    unused = {"pose": np.zeros((len(images), 8), "float32"), "tone": np.zeros((len(images), TONE), "float32")}
    return {"image": images[..., None], **unused}
