"""clean: every readable film of data/raw, resized once and packed into data/clean."""

from pathlib import Path

from pneumonia.errors import exit_on_user_error
from pneumonia.lifetime import end_with_dvc
from pneumonia.params.load import load_params
from pneumonia.preparation.cleaning.clean import clean

if __name__ == "__main__":
    end_with_dvc()
    with exit_on_user_error():
        clean(load_params(), raw=Path("data/raw"), out=Path("data/clean"), report=Path("reports"))
