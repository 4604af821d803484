"""rebalance: what an epoch draws from the training films, into data/train.csv."""

from pathlib import Path

from pneumonia.errors import exit_on_user_error
from pneumonia.lifetime import end_with_dvc
from pneumonia.params.load import load_params
from pneumonia.preparation.rebalancing import rebalance

if __name__ == "__main__":
    end_with_dvc()
    with exit_on_user_error():
        rebalance(
            load_params(),
            split=Path("data/split.csv"),
            out=Path("data/train.csv"),
            plot=Path("reports/rebalance.png"),
        )
