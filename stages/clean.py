"""clean: every readable film of data/raw, resized once and packed into data/clean."""

from pathlib import Path

from pneumonia.cleaning import clean
from pneumonia.errors import exit_on_user_error
from pneumonia.params import load_params

if __name__ == "__main__":
    with exit_on_user_error():
        clean(load_params(), raw=Path("data/raw"), out=Path("data/clean"), report=Path("reports"))
