"""What a `dvc repro` with nothing to do costs, against one of six stages that are empty."""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
ENVIRONMENT = {**os.environ, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "DVC_NO_ANALYTICS": "1"}
ROUNDS = 5


def repro(root: Path) -> float:
    started = time.perf_counter()
    subprocess.run(["dvc", "repro"], cwd=root, env=ENVIRONMENT, check=True, capture_output=True)
    return time.perf_counter() - started


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        empty = Path(folder)
        for command in (["git", "init", "-q"], ["dvc", "init", "-q"]):
            subprocess.run(command, cwd=empty, env=ENVIRONMENT, check=True)
        # A stage without dependencies always runs; given one each, there is nothing to do.
        (empty / "input").write_text("")
        stages = "".join(f"  stage{number}:\n    cmd: 'true'\n    deps: [input]\n" for number in range(6))
        (empty / "dvc.yaml").write_text("stages:\n" + stages)
        repro(empty)
        repro(REPOSITORY)  # does what is still to do
        bare, ours = [], []
        for _ in range(ROUNDS):
            bare.append(repro(empty))
            ours.append(repro(REPOSITORY))
    print(f"\n`dvc repro` with nothing to do, best of {ROUNDS}")
    print(f"six empty stages {min(bare):6.2f} s\nthis pipeline    {min(ours):6.2f} s")
    print(f"ratio {min(ours) / min(bare):.2f}, difference {min(ours) - min(bare):.2f} s (wanted: 0.5 s or less)")


if __name__ == "__main__":
    main()
