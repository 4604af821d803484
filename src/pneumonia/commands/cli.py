"""The command `pneumonia`.

What a command needs is imported within it: Keras and MLflow take seconds, which `--help`, a mistake and a command that
does without them need not wait for.
"""

import os
from pathlib import Path
from typing import Annotated, Literal

import typer

from pneumonia.errors import exit_on_user_error

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)

ModelAddress = Annotated[str, typer.Option("--model", help="models:/NAME@ALIAS or models:/NAME/VERSION")]
ModelName = Annotated[str, typer.Option("--model", help="The registered model's name.")]
CHAMPION_ADDRESS, BINARY = "models:/pneumonia-binary@champion", "pneumonia-binary"
LOCALISER_ADDRESS = "models:/pneumonia-localize@champion"


@app.callback()
def pneumonia() -> None:
    """From a folder of chest radiographs to a pneumonia model. The pipeline itself is run by `dvc repro`."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@app.command()
def models() -> None:
    """List the models that params.yaml may name, each with its settings there, at its own input size.

    Multiply-adds are those of convolutions and dense layers for one film; receptive field and stride, in pixels, those
    of the last feature map.
    """
    from pneumonia.params.load import load_params

    with exit_on_user_error():
        params = load_params()
    from pneumonia.evaluation.receptive_field import summary
    from pneumonia.params.choices import network

    row = "{:17} {:>6} {:>12} {:>14} {:>15} {:>7}  {}"
    print(row.format("model", "input", "parameters", "multiply-adds", "receptive field", "stride", "published weights"))
    for name, settings in params.models:
        module = network(name)
        cost = summary(module.build(settings, module.INPUT_SIZE, 1, None))
        weights = "ImageNet" if settings.published else "none: starts from random ones, or your own file"
        million, giga = f"{cost.parameters / 1e6:.2f} M", f"{cost.multiply_adds / 1e9:.3f} G"
        print(row.format(name, module.INPUT_SIZE, million, giga, cost.receptive_field, cost.stride, weights))


@app.command()
def check(
    films: Annotated[Path, typer.Argument(metavar="FOLDER|TABLE", help="Your films, or a CSV beside them.")],
) -> None:
    """Tell what your own films would become, without a run: see docs/own_films.md (exit code 1: not even a test)."""
    with exit_on_user_error():
        from pneumonia.commands.check import check
        from pneumonia.params.load import load_params

        told, testable = check(films, load_params())
    print(*told, sep="\n")
    if not testable:
        raise typer.Exit(1)


@app.command()
def predict(
    films: Annotated[list[Path], typer.Argument(metavar="FILE|FOLDER...", help="Folders are searched through.")],
    model: ModelAddress = CHAMPION_ADDRESS,
    overlay: Annotated[Path | None, typer.Option(help="A folder for pictures: boxes, or Grad-CAM.")] = None,
    form: Annotated[Literal["table", "csv", "json"], typer.Option("--format")] = "table",
    output: Annotated[Path | None, typer.Option(help="A file for the rows, instead of stdout.")] = None,
    scheduler: Annotated[str, typer.Option(help="local, or a Dask scheduler whose workers read the films.")] = "local",
    site: Annotated[str | None, typer.Option(help="Whose films these are, if the version was recalibrated.")] = None,
) -> None:
    """Ask a registered model about films: a row each, with the reason where one cannot be used (exit code 1 then)."""
    with exit_on_user_error():
        from pneumonia.commands.predict import write_predictions
        from pneumonia.registry.version_files import registered_model

        failed = write_predictions(films, registered_model(model), overlay, form, output, scheduler, site)
    if failed:
        raise typer.Exit(1)


@app.command()
def validate(
    place: Annotated[Path, typer.Argument(metavar="FOLDER|TABLE", help="Class folders, or a CSV with file and label.")],
    model: ModelAddress = CHAMPION_ADDRESS,
    name: Annotated[str | None, typer.Option(help="What the validation is called; else as the place.")] = None,
    labels_by: Annotated[str, typer.Option(help="Whose the labels are, for the report.")] = "not told",
    other_patients: Annotated[
        bool, typer.Option("--other-patients", help="Patients called as those in training are others.")
    ] = False,
    output: Annotated[Path | None, typer.Option(help="A folder for the report; else validation/NAME.")] = None,
    recalibrate: Annotated[
        int | None, typer.Option(min=1, help="A new version with temperature and threshold from so many of the films.")
    ] = None,
    site: Annotated[
        str | None,
        typer.Option(help="Whose films these are: with --recalibrate for a new version, else one that it knows."),
    ] = None,
) -> None:
    """Ask a registered model about labelled films that it has never seen: how good is it there, and why."""
    with exit_on_user_error():
        from pneumonia.commands.validate import Wish, validate_version

        for line in validate_version(Wish(place, model, name, labels_by, other_patients, output, recalibrate, site)):
            print(line)


@app.command()
def submission(
    films: Annotated[list[Path], typer.Argument(metavar="FILE|FOLDER...", help="Folders are searched through.")],
    output: Annotated[Path, typer.Option(help="The CSV to write.")],
    model: ModelAddress = LOCALISER_ADDRESS,
) -> None:
    """Write the RSNA challenge's CSV: a row a film with its boxes (exit code 1 where one cannot be read)."""
    with exit_on_user_error():
        from pneumonia.commands.submission import write_submission

        unreadable = write_submission(films, model, output)
    if unreadable:
        raise typer.Exit(1)


@app.command()
def compare(
    first: Annotated[
        str, typer.Argument(metavar="RUN", help="Its id, the start of it, its name, or its experiment's.")
    ],
    second: Annotated[str, typer.Argument(metavar="RUN")],
    part: Annotated[Literal["val", "test"], typer.Option(help="On which films.")] = "test",
) -> None:
    """Compare two runs, or repeats, on the same films: each metric, the difference, its interval, what that means."""
    with exit_on_user_error():
        from pneumonia.registry.run_comparison import compare_named

        said, table = compare_named(first, second, part)
    print(f"{part} films; {said}")
    print(table.to_string(float_format="{:.4f}".format))


@app.command(context_settings={"allow_extra_args": True, "ignore_unknown_options": True})
def recipe(
    further: typer.Context,
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="Of a file in recipes; none lists them.")] = None,
) -> None:
    """Train by a recipe, a file in recipes. What follows its name goes to `dvc exp run`: --temp, -S KEY=VALUE …"""
    with exit_on_user_error():
        from pneumonia.commands.recipe import list_recipes, run_recipe

        if name is None:
            print(list_recipes())
            return
        status = run_recipe(name, further.args)
    raise typer.Exit(status)


@app.command()
def repeat(
    folds: Annotated[int, typer.Option(min=0, max=100, help="0 is the split as it is.")] = 0,
    seeds: Annotated[int, typer.Option(min=1, max=100)] = 3,
    changes: Annotated[
        list[str] | None, typer.Option("-S", metavar="KEY=VALUE", help="As of `dvc exp run`; may be given again.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Of the repeat, and of the experiments in it.")] = None,
    jobs: Annotated[int, typer.Option(min=1, max=64, help="Trainings at a time.")] = 1,
) -> None:
    """Train over folds and seeds, in DVC's queue, and log mean, spread and interval of each metric under one run."""
    with exit_on_user_error():
        from pneumonia.commands.repeat import repeat as run_repeat

        named, table = run_repeat(folds, seeds, changes or [], name, jobs)
    print(f"test films; 95 % interval of the mean over patients and trainings; `pneumonia compare {named} OTHER`")
    print(table.to_string(float_format="{:.4f}".format))


@app.command()
def table(
    runs: Annotated[list[str], typer.Argument(metavar="RUN...", help="Runs and repeats, as `compare` takes them.")],
    metric: Annotated[list[str] | None, typer.Option(help="As MLflow names it; may be given again.")] = None,
    output: Annotated[Path | None, typer.Option(help="A CSV to write as well.")] = None,
) -> None:
    """Print runs and repeats as a table in Markdown: mean ± standard deviation of each metric, n, minutes."""
    with exit_on_user_error():
        from pneumonia.outputs import whole_file
        from pneumonia.registry.run_table import as_markdown, run_table

        metrics = metric or ["test/roc_auc", "test/sensitivity", "test/specificity", "test/accuracy"]
        rows = run_table(runs, metrics)
        if output:
            with whole_file(output) as partial:
                rows.to_csv(partial, index=False)
    print(as_markdown(rows, metrics))


@app.command()
def checklist(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run or repeat, as `compare` takes it.")],
    standard: Annotated[Literal["claim", "tripod-ai"], typer.Option(help="The reporting guideline.")] = "claim",
) -> None:
    """Print what a run knows of each item of a reporting guideline, and a gap where it knows nothing."""
    with exit_on_user_error():
        from pneumonia.registry.checklist import checklist as list_items

        print(list_items(run, standard))


@app.command()
def suspects(
    run: Annotated[str, typer.Argument(metavar="REPEAT", help="One of `pneumonia repeat --folds`.")],
    output: Annotated[Path, typer.Option(help="A folder.")] = Path("suspects"),
) -> None:
    """List the training films whose labels may be mistakes, with a contact sheet, the likeliest first."""
    with exit_on_user_error():
        from pneumonia.commands.suspects import write_suspects

        print(write_suspects(run, output))


@app.command()
def plan(
    width: Annotated[float, typer.Option(help="Of the interval, from end to end.")] = 0.1,
    prevalence: Annotated[float, typer.Option(help="The share of films that show pneumonia.")] = 0.5,
    sensitivity: Annotated[float | None, typer.Option(help="What is expected.")] = None,
    specificity: Annotated[float | None, typer.Option(help="What is expected.")] = None,
    auc: Annotated[float | None, typer.Option(help="What is expected.")] = None,
) -> None:
    """Say how many films, of a patient each, a validation needs for 95 % intervals of a given width."""
    with exit_on_user_error():
        from pneumonia.evaluation.planning import films_needed

        needed = films_needed(width, prevalence, sensitivity, specificity, auc)
    print(needed.to_string(index=False))


@app.command()
def promote(version: Annotated[str, typer.Argument(help="The version's number.")], model: ModelName = BINARY) -> None:
    """Make a version of a registered model its champion, by hand."""
    with exit_on_user_error():
        from pneumonia.registry import versions
        from pneumonia.registry.version_files import name_in

        versions.open_registry()
        print(versions.promote(name_in(model), version))


@app.command()
def rollback(model: ModelName = BINARY) -> None:
    """Make the predecessor of a registered model's champion the champion again."""
    with exit_on_user_error():
        from pneumonia.registry import versions
        from pneumonia.registry.version_files import name_in

        versions.open_registry()
        print(versions.rollback(name_in(model)))


@app.command()
def install_model() -> None:
    """Put the trained model that comes with the package into the registry, to try it: for children's films only."""
    with exit_on_user_error():
        from pneumonia.registry.installing import install_model

        print(install_model())


@app.command()
def relocate() -> None:
    """Tell the MLflow store in this folder that the folder was moved or copied: its artifacts are in `mlruns` here."""
    with exit_on_user_error():
        from pneumonia.registry.places import relocate

        print(relocate())


@app.command()
def export(
    form: Annotated[Literal["onnx", "saved_model"], typer.Option("--format")],
    films: Annotated[
        list[Path], typer.Argument(metavar="FILE|FOLDER...", help="Films to check the exported network on.")
    ] = [Path("data/raw")],  # noqa: B006
    model: ModelAddress = CHAMPION_ADDRESS,
    output: Annotated[Path, typer.Option(help="A new folder.")] = Path("exported"),
) -> None:
    """Export a registered network, once it has said the same of some films as Keras does."""
    with exit_on_user_error():
        from pneumonia.commands.export import export_registered

        difference = export_registered(model, films, form, output)
    print(f"{output}: {form}, which differs from Keras by {difference:.1e} at most")


@app.command()
def bundle(
    output: Annotated[Path, typer.Argument(metavar="DIR", help="A new folder.")],
    model: ModelAddress = CHAMPION_ADDRESS,
) -> None:
    """Write a folder with a registered model and all that answers by it elsewhere: a command, a server, a container."""
    with exit_on_user_error():
        from pneumonia.commands.bundle import write_bundle

        print(write_bundle(model, output))


@app.command("app")
def serve_page(
    model: ModelAddress = CHAMPION_ADDRESS,
    port: Annotated[int, typer.Option(min=1, max=65535)] = 7860,
) -> None:
    """Serve a page on which one drops a film and sees what a registered model says of it."""
    with exit_on_user_error():
        from pneumonia.commands.app.server import serve

        serve(model, port)


if __name__ == "__main__":
    app()
