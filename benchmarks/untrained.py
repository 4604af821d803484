"""What the benchmarks of training steps begin with: params.yaml for a network from random weights."""

from pathlib import Path

from pneumonia.params.load import Params, load_params


def params_for(model: str, size: int, **train: object) -> Params:
    """The project's parameters for `model` from random weights at `size` pixels, with `train` in its block."""
    base = load_params(Path(__file__).parents[1] / "params.yaml")
    block = getattr(base.models, model).model_copy(update={"weights": "random"})
    return base.model_copy(
        update={
            "model": model,
            "clean": base.clean.model_copy(update={"image_size": size}),
            "train": base.train.model_copy(update=train),
            "models": base.models.model_copy(update={model: block}),
        }
    )
