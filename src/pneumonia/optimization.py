"""Optimizer, learning-rate schedule and loss, by their names in params.yaml."""

import keras

from pneumonia.params import Train

OPTIMIZERS = {
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
    "sgd": lambda rate: keras.optimizers.SGD(rate, momentum=0.9, nesterov=True),
    "rmsprop": keras.optimizers.RMSprop,
}


def make_optimizer(settings: Train, learning_rate: float, epochs: int, steps: int) -> keras.optimizers.Optimizer:
    """The optimizer for `epochs` of `steps` batches; `cosine` rises for the warm-up epochs, then falls to zero."""
    rate: float | keras.optimizers.schedules.LearningRateSchedule = learning_rate
    if settings.schedule == "cosine":
        warmup = min(settings.warmup_epochs, epochs - 1) * steps
        rate = keras.optimizers.schedules.CosineDecay(
            initial_learning_rate=learning_rate / 100 if warmup else learning_rate,
            warmup_target=learning_rate if warmup else None,
            warmup_steps=warmup,
            decay_steps=epochs * steps - warmup,
        )
    return OPTIMIZERS[settings.optimizer](rate)


def make_loss(settings: Train) -> keras.losses.Loss:
    """Binary cross-entropy, or focal loss (Lin et al., Focal Loss for Dense Object Detection, ICCV 2017, γ = 2)."""
    if settings.loss == "focal":
        return keras.losses.BinaryFocalCrossentropy(label_smoothing=settings.label_smoothing)
    return keras.losses.BinaryCrossentropy(label_smoothing=settings.label_smoothing)
