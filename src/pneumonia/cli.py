"""The command `pneumonia`."""

from importlib import import_module

import typer

from pneumonia.errors import exit_on_user_error
from pneumonia.params import MODELS, load_params

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)


@app.callback()
def pneumonia() -> None:
    """From a folder of chest radiographs to a pneumonia model. The pipeline itself is run by `dvc repro`."""


@app.command()
def models() -> None:
    """List the models that params.yaml may name, each with its settings there, at its own input size.

    Multiply-adds are those of convolutions and dense layers for one film; receptive field and stride, in pixels, those
    of the last feature map.
    """
    with exit_on_user_error():
        params = load_params()
    # Keras takes seconds to import, which `--help` and a mistake in params.yaml need not wait for.
    from pneumonia.parameter_blocks import Pretrained
    from pneumonia.receptive_field import summary

    row = "{:13} {:>6} {:>12} {:>14} {:>15} {:>7}  {}"
    print(row.format("model", "input", "parameters", "multiply-adds", "receptive field", "stride", "published weights"))
    for name in MODELS:
        settings, module = getattr(params.models, name), import_module(f"pneumonia.models.{name}")
        cost = summary(module.build(settings, module.INPUT_SIZE, 1, None))
        weights = "ImageNet" if isinstance(settings, Pretrained) else "none: starts from random ones, or your own file"
        million, giga = f"{cost.parameters / 1e6:.2f} M", f"{cost.multiply_adds / 1e9:.3f} G"
        print(row.format(name, module.INPUT_SIZE, million, giga, cost.receptive_field, cost.stride, weights))


if __name__ == "__main__":
    app()
