"""Optimizer, learning-rate schedule and loss, by their names in params.yaml."""

import keras

from pneumonia.parameter_blocks import Train

OPTIMIZERS = {
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
    "sgd": keras.optimizers.SGD,
    "rmsprop": keras.optimizers.RMSprop,
    "nadam": keras.optimizers.Nadam,
    "lion": keras.optimizers.Lion,
}
OPTIONS = {"sgd": {"momentum": 0.9, "nesterov": True}}
NOT_DECAYED = ["bias", "gamma", "beta"]  # pulling these to zero regularises nothing (He et al., Bag of Tricks, 2019)


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
    """Cross-entropy, or focal loss (Lin et al., Focal Loss for Dense Object Detection, ICCV 2017, γ = 2).

    Binary where the network has one of `outputs`, else over one-hot classes.
    """
    binary, focal = outputs == 1, settings.loss == "focal"
    if focal:
        loss = keras.losses.BinaryFocalCrossentropy if binary else keras.losses.CategoricalFocalCrossentropy
        # Keras weighs all classes by 0.25 in the second, by nothing in the first: the same scale for both.
        return loss(label_smoothing=settings.label_smoothing, **({} if binary else {"alpha": 1.0}))
    loss = keras.losses.BinaryCrossentropy if binary else keras.losses.CategoricalCrossentropy
    return loss(label_smoothing=settings.label_smoothing)
