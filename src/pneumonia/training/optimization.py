"""Optimizer, learning-rate schedule and loss, by their names in params.yaml."""

import keras
from keras import ops

from pneumonia.params.stages import Train

OPTIMIZERS = {
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
    "sgd": keras.optimizers.SGD,
    "rmsprop": keras.optimizers.RMSprop,
    "nadam": keras.optimizers.Nadam,
    "lion": keras.optimizers.Lion,
}
OPTIONS = {"sgd": {"momentum": 0.9, "nesterov": True}}
GAMMA = 2.0
"""The exponent γ of the focal loss that its authors found best."""
NOT_DECAYED = ["bias", "gamma", "beta"]  # pulling these to zero regularises nothing (He et al., Bag of Tricks, 2019)


def make_optimizer(settings: Train, learning_rate: float, epochs: int, steps: int) -> keras.optimizers.Optimizer:
    """The optimizer for `epochs` of `steps` batches; the rate of `cosine` rises in the warm-up, then falls to zero."""
    rate: float | keras.optimizers.schedules.LearningRateSchedule = learning_rate
    if settings.schedule == "cosine":
        warmup = min(settings.warmup_epochs, epochs - 1) * steps
        rate = keras.optimizers.schedules.CosineDecay(
            initial_learning_rate=learning_rate / 100 if warmup else learning_rate,
            warmup_target=learning_rate if warmup else None,
            warmup_steps=warmup,
            decay_steps=epochs * steps - warmup,
        )
    optimizer = OPTIMIZERS[settings.optimizer](
        rate,
        weight_decay=settings.weight_decay,
        global_clipnorm=settings.clip_norm or None,
        use_ema=settings.ema > 0,
        ema_momentum=settings.ema or 0.99,
        **OPTIONS.get(settings.optimizer, {}),
    )
    if settings.weight_decay:
        optimizer.exclude_from_weight_decay(var_names=NOT_DECAYED)
    return optimizer


def make_loss(settings: Train, outputs: int) -> keras.losses.Loss:
    """Cross-entropy or focal loss; binary where `outputs` is 1, else over one-hot classes."""
    if outputs == 1:
        loss = BinaryFocal if settings.loss == "focal" else keras.losses.BinaryCrossentropy
        return loss(label_smoothing=settings.label_smoothing)
    if settings.loss == "focal":
        return keras.losses.CategoricalFocalCrossentropy(1.0, GAMMA, label_smoothing=settings.label_smoothing)
    return keras.losses.CategoricalCrossentropy(label_smoothing=settings.label_smoothing)


class BinaryFocal(keras.losses.Loss):
    """Focal loss (Lin et al., Focal Loss for Dense Object Detection, ICCV 2017), -(1 - p)^γ log p of the true class.

    Unlike that of Keras it is linear in the target, float32 (B, 1): the loss of a blend is the blend of the losses.
    """

    def __init__(self, label_smoothing: float) -> None:
        super().__init__(name="binary_focal")
        self.label_smoothing = label_smoothing

    def call(self, y_true: keras.KerasTensor, y_pred: keras.KerasTensor) -> keras.KerasTensor:
        """The loss of each film, float32 (B,), from probabilities, float32 (B, 1)."""
        share = y_true * (1 - self.label_smoothing) + self.label_smoothing / 2
        p = ops.clip(y_pred, keras.config.epsilon(), 1 - keras.config.epsilon())
        of_positive, of_negative = (1 - p) ** GAMMA * ops.log(p), p**GAMMA * ops.log(1 - p)
        return -ops.mean(share * of_positive + (1 - share) * of_negative, axis=-1)
