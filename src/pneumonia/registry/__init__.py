"""What MLflow keeps: runs, their comparison, the versions of a model."""

import os

# Each artifact would draw one, between the lines that tell what came out.
os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
