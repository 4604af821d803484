"""inputs: what the user's own films, weights and tables hold, into data/inputs/; DVC runs it each time."""

import logging
from pathlib import Path

import yaml

from pneumonia.errors import exit_on_user_error
from pneumonia.lifetime import end_with_dvc
from pneumonia.params.paths import user_path
from pneumonia.preparation.inputs import write_inputs

if __name__ == "__main__":
    end_with_dvc()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    with exit_on_user_error():
        params = yaml.safe_load(Path("params.yaml").read_text(encoding="utf-8"))
        write_inputs(params, Path("data/inputs"), user_path(".dvc/tmp/inputs.json"))
