"""download: the chosen source's films, as they came, into data/raw."""

from pathlib import Path

from pneumonia.errors import exit_on_user_error
from pneumonia.lifetime import end_with_dvc
from pneumonia.params.load import load_params
from pneumonia.sources.shared.download import download

if __name__ == "__main__":
    end_with_dvc()
    with exit_on_user_error():
        download(load_params(), raw=Path("data/raw"))
