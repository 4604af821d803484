"""Does a score of training films foretell the order of the test films? `python experiments/rank_correlations.py`

Spearman's rank correlations, with the test AUC, of what is in first_results.csv (a recipe is the mean of its trainings
on folds) and in styles.csv (a training each, with `style-1` held out), and their 95 % intervals by bootstrap over rows.
"""

from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

HERE = Path(__file__).parent
SCORES = ["roc_auc", "stress/roc_auc"]
TEST = "test/roc_auc"
DRAWS = 2000


def main() -> None:
    """Print a line for each score and each table."""
    first = pd.read_csv(HERE / "first_results.csv", dtype={"held_out": str})
    of_folds = first[first["held_out"].str.isdigit()].groupby("recipe")[[*SCORES, TEST]].mean()
    styles = pd.read_csv(HERE / "styles.csv")
    for name, table in (("folds", of_folds), ("style-1", styles[styles["held_out"] == "style-1"])):
        for score in SCORES:
            low, high = interval(table[score].to_numpy(), table[TEST].to_numpy())
            rank = spearmanr(table[score], table[TEST]).statistic
            print(f"{name:8} {score:15} {rank:+.2f} ({low:+.1f} to {high:+.1f}) over {len(table)}")


def interval(score: np.ndarray, test: np.ndarray) -> tuple[float, float]:
    """The 2.5th and 97.5th percentile of the rank correlation of rows drawn with replacement; both float (N,)."""
    rng = np.random.default_rng(0)
    drawn = [rng.integers(0, len(score), len(score)) for _ in range(DRAWS)]
    low, high = np.nanpercentile([spearmanr(score[rows], test[rows]).statistic for rows in drawn], [2.5, 97.5])
    return float(low), float(high)


if __name__ == "__main__":
    main()
