"""A registered model as a folder that answers on any machine: with a command, a server, and films to check it."""

import importlib.metadata
import json
import re
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from packaging.requirements import Requirement
from PIL import Image

from pneumonia.commands.bundled.contents import Contents, said
from pneumonia.errors import UserError
from pneumonia.inference.predictor import DECISION, FAMILIARITY, TWIN, Predictor
from pneumonia.inference.requirements import OF_BOXES, OF_TWIN, READER
from pneumonia.outputs import whole_directory
from pneumonia.radiographs.read import read_radiograph
from pneumonia.registry.version_files import card_of, name_in, registered_model
from pneumonia.sources.phantom.hospitals import HOSPITALS
from pneumonia.sources.phantom.source import render
from pneumonia.sources.phantom.thorax import draw_anatomy

PACKAGE = Path(__file__).parents[1]
CODE = [
    "__init__.py", "errors.py", "names.py", "outputs.py", "annotations", "inference", "models", "params", "radiographs",
    "commands/__init__.py", "commands/bundled", "commands/places.py", "commands/predict.py",
    "commands/prediction_rows.py", "commands/serving.py", "commands/uploads.py",
]  # fmt: skip
"""What of this package a bundle has."""

REQUIREMENTS = (*READER, *OF_TWIN, "fastapi", "tqdm", "uvicorn")
"""What that code imports."""

FILM_SIZE = 256

COMMAND = """from pathlib import Path

from pneumonia.commands.bundled.main import main

main(Path(__file__).parent)
"""

CONTAINERFILE = """FROM docker.io/library/python:{python}-slim
WORKDIR /bundle
COPY requirements.txt .
RUN pip install --no-cache-dir --requirement requirements.txt
COPY . .
RUN python answer.py check
USER 65534
EXPOSE 8000
HEALTHCHECK CMD python -c "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/health')"
CMD ["python", "answer.py", "serve", "--host", "0.0.0.0", "--port", "8000"]
"""

NOT_IN_IMAGE = """.venv
**/__pycache__
"""
"""What is in the folder once it has been used."""

README = """# {title}

**This is no medical device.** It is for research and teaching; nothing it says may decide how a person is treated.
{notice}

It was made with Python {python}, and needs what `requirements.txt` names, and no TensorFlow.

```sh
python -m venv .venv && .venv/bin/pip install --requirement requirements.txt
.venv/bin/python answer.py check                 # do the generated films in `films` get the answers that they must get?
.venv/bin/python answer.py predict FILM|FOLDER   # --format csv or json, --output FILE
.venv/bin/python answer.py serve                 # http://127.0.0.1:8000
curl --data-binary @film.jpeg http://127.0.0.1:8000/predict
curl http://127.0.0.1:8000/health
```

In a container: `podman build --format docker --tag pneumonia .` (without `--format` podman leaves out the check of its
health) or `docker build --tag pneumonia .`, then `podman run --publish 127.0.0.1:8000:8000 pneumonia`, or `docker`. The
server asks nobody who they are: what lets others reach it must.

The model's card, with what it was trained on, its metrics and whom to name where it is passed on, is `card.md`. The
licence of the code is `LICENSE`.
"""


def write_bundle(address: str, out: Path) -> str:
    """Write the registered model at `address` as a bundle into the new directory `out`, or nothing at all.

    Returns what it has in it, in words.

    Raises:
        UserError: `out` exists already, or a model that cannot be had, or has no ONNX twin.
    """
    if out.exists():
        raise UserError(f"{out} exists already; DIR may be a new folder")
    with registered_model(address) as (model, version), whole_directory(out) as folder:
        if not (model / TWIN).is_file():
            raise UserError(
                f"{address} has no ONNX twin, which a bundle answers by; the tag `onnx` of the version says why, "
                "and a version older than twins may be registered anew"
            )
        contents = Contents(folder)
        contents.model.mkdir()
        for file in (DECISION, FAMILIARITY, TWIN):
            shutil.copyfile(model / file, contents.model / file)
        name = name_in(address)
        contents.facts.write_text(json.dumps({"name": name, "version": version}) + "\n")
        predictor = Predictor.load(contents.model)
        _write_films(predictor, contents)
        _write_code(folder)
        pinned = sorted(_pinned(REQUIREMENTS + (OF_BOXES if predictor.decision.localization else ())))
        (folder / "requirements.txt").write_text("\n".join(pinned) + "\n")
        python = f"{sys.version_info[0]}.{sys.version_info[1]}"
        notice = predictor.decision.notice or ""
        (folder / "Containerfile").write_text(CONTAINERFILE.format(python=python))
        (folder / ".dockerignore").write_text(NOT_IN_IMAGE)
        (folder / "LICENSE").write_text(_licence())
        (folder / "card.md").write_text(card_of(name, version), encoding="utf-8")
        (folder / "README.md").write_text(README.format(title=contents.title, notice=notice, python=python))
        size = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
    return f"{out}: {name} version {version}, {size / 1e6:.1f} MB, {len(pinned)} packages; README.md says how to use it"


def _write_films(predictor: Predictor, contents: Contents) -> None:
    """A generated film for each diagnosis, and the answers that the model gives here."""
    contents.films.mkdir()
    answers = []
    for number, label in enumerate(HOSPITALS["home"].diagnoses):
        rng = np.random.default_rng(number)
        grey, _ = render(rng, draw_anatomy(rng), label, FILM_SIZE)
        file = contents.films / f"{label}.png"
        Image.fromarray(np.rint(255 * grey).astype(np.uint8)).save(file)
        [prediction] = predictor.predict_films([read_radiograph(file)])
        answers.append({"file": file.name, **said(prediction)})
    contents.answers.write_text(json.dumps(answers, indent=2) + "\n")


def _write_code(folder: Path) -> None:
    code = folder / PACKAGE.name
    for part in CODE:
        (code / part).parent.mkdir(parents=True, exist_ok=True)
        if (PACKAGE / part).is_dir():
            shutil.copytree(PACKAGE / part, code / part, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(PACKAGE / part, code / part)
    (folder / "answer.py").write_text(COMMAND)


def _licence() -> str:
    """This package's licence, as it was installed: a wheel has no file of the repository's."""
    installed = importlib.metadata.distributions(name=PACKAGE.name)
    texts = [each.read_text("licenses/LICENSE") for each in installed]  # one that lies in `src` has none
    return next(text for text in texts if text)


def _pinned(names: Iterable[str]) -> set[str]:
    """The installed packages of these names and all that they need, each as `name==version`."""
    versions: dict[str, str] = {}
    wanted = list(names)
    while wanted:
        name = re.sub("[-_.]+", "-", wanted.pop()).lower()
        if name not in versions:
            versions[name] = importlib.metadata.version(name)
            needed = map(Requirement, importlib.metadata.requires(name) or [])
            wanted += [each.name for each in needed if each.marker is None or each.marker.evaluate({"extra": ""})]
    return {f"{name}=={version}" for name, version in versions.items()}
