"""What a newcomer waits for: `make repro` in a fresh clone, and then the experiment with Inception V3."""

import os
import re
import subprocess
import tempfile
import time
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]
LIMITS = {"environment": 180, "make repro": 240, "dvc exp run -S model=inception": 900}


def timed(command: str, root: Path) -> float:
    own = {name: value for name, value in os.environ.items() if name not in ("VIRTUAL_ENV", "MLFLOW_TRACKING_URI")}
    started = time.perf_counter()
    done = subprocess.run(command, shell=True, cwd=root, env=own, capture_output=True, text=True)  # noqa: S602
    if done.returncode:
        raise SystemExit(f"{command} failed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
    return time.perf_counter() - started


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        clone = Path(folder) / "clone"
        subprocess.run(["git", "clone", "--quiet", REPOSITORY, clone], check=True)
        # Another seed than the committed one: nothing can come from a cache.
        params = (clone / "params.yaml").read_text()
        (clone / "params.yaml").write_text(re.sub(r"(phantom: .*\n(?:.*\n)*?    seed:) 0", r"\1 1", params, count=1))
        environment = timed("make .venv/ready", clone)
        stages = timed("make repro", clone)
        inception = timed(". .venv/bin/activate && dvc exp run -S model=inception", clone)
    seconds = dict(zip(LIMITS, (environment, environment + stages, inception), strict=True))
    print(f"\nfrom nothing, on {os.cpu_count()} cores")
    for name, limit in LIMITS.items():
        print(f"{name:32} {seconds[name]:6.0f} s  {seconds[name] / limit:.2f} of the {limit} s that it may take")
    print(f"{'the six stages':32} {stages:6.0f} s  {stages / 180:.2f} of the 180 s that they may take")


if __name__ == "__main__":
    main()
