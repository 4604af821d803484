"""A copy of the project with small parameters, for tests that run its commands."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from mlflow import MlflowClient

from .conftest import REPOSITORY, write_params

SMALL = {
    "datasets.phantom.patients": 60, "datasets.phantom.image_size": 64, "clean.image_size": 64, "clean.min_size": 32,
    "split.val_per_class": 5, "train.epochs": 1, "train.batch_size": 16, "compute.workers": 1,
    "train.precision": "float32",
}  # fmt: skip
STAGES = ["download", "clean", "split", "rebalance", "train", "evaluate"]
ENVIRONMENT = {
    **{name: value for name, value in os.environ.items() if not name.startswith(("DVC_", "MLFLOW_"))},
    "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    "DVC_NO_ANALYTICS": "1",
    "TQDM_DISABLE": "1",
    "GIT_AUTHOR_NAME": "test", "GIT_AUTHOR_EMAIL": "test@example.org",
    "GIT_COMMITTER_NAME": "test", "GIT_COMMITTER_EMAIL": "test@example.org",
}  # fmt: skip


class Repository:
    """A copy of the project with small parameters, committed to git."""

    def __init__(self, root: Path) -> None:
        self.root = root
        tracked = subprocess.check_output(["git", "ls-files"], cwd=REPOSITORY, text=True).splitlines()
        for name in tracked:
            if not name.startswith(("docs/", "tests/")) and name != "dvc.lock" and (REPOSITORY / name).is_file():
                (root / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(REPOSITORY / name, root / name, follow_symlinks=False)
        write_params(root / "params.yaml", SMALL)
        self.run("git", "init", "--quiet")
        self.commit()

    def run(self, *command: str, check: bool = True, **environment: str) -> str:
        done = subprocess.run(
            command,
            cwd=self.root,
            env=ENVIRONMENT | environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        assert not check or done.returncode == 0, done.stdout
        assert check or done.returncode != 0, f"{command} should have failed: {done.stdout}"
        return done.stdout

    def commit(self) -> None:
        self.run("git", "add", "--all")
        self.run("git", "commit", "--quiet", "--message", "state")

    def changed_stages(self) -> list[str]:
        """The stages that `dvc status` finds changed, in their order."""
        status = json.loads(self.run("dvc", "status", "--json").splitlines()[-1])
        return [stage for stage in STAGES if stage in status]

    def mlflow(self) -> MlflowClient:
        return MlflowClient(f"sqlite:///{self.root / 'mlflow.db'}")

    def mlflow_runs(self) -> list:
        client = self.mlflow()
        return client.search_runs([client.get_experiment_by_name("pneumonia").experiment_id])
