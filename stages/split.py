"""split: which films of data/clean train, validate and test, into data/split.csv."""

import logging
from pathlib import Path

from pneumonia.errors import exit_on_user_error
from pneumonia.lifetime import end_with_dvc
from pneumonia.params.load import load_params
from pneumonia.preparation.splitting import split

if __name__ == "__main__":
    end_with_dvc()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    with exit_on_user_error():
        split(load_params(), clean=Path("data/clean"), out=Path("data/split.csv"))
