"""Training together: films per second of one process, and of two and four with the same batch, on this machine.

    python benchmarks/processes.py [MODEL]

On JAX, over the loopback. A process uses all cores that it finds free, so on one machine more of them can win nothing:
what is measured is what it costs to share each step's gradients.
"""

import argparse
import json
import os
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import yaml

REPOSITORY = Path(__file__).parents[1]
BATCH = 32
TRAIN = """
import json
from pathlib import Path
from pneumonia.compilation import keep_compiled_programs
from pneumonia.training.devices import join_processes, process
join_processes()
keep_compiled_programs()
import numpy as np, pandas as pd
from pneumonia.params.load import load_params
from pneumonia.training.fitting import train
params = load_params(Path("params.yaml"))
size = params.clean.image_size
films = np.random.default_rng(0).integers(0, 256, (288, size, size), dtype=np.uint8)
names = ["normal", "pneumonia"] * 128
rows = pd.DataFrame({"image": range(256), "class": names, "draws": 1, "augment": False, "weight": 1.0})
val = np.arange(256, 288), np.arange(32) % 2
history = train(params, films, rows, val, lambda state: None).history
if process()[0] == 0:
    print("RATE", json.dumps(288 / history["seconds"][1:].min()))
"""


def main() -> None:
    parser = argparse.ArgumentParser(description="Films per second by the number of processes that train together.")
    parser.add_argument("model", nargs="?", default="cnn")
    model = parser.parse_args().model
    with tempfile.TemporaryDirectory() as folder:
        values = yaml.safe_load((REPOSITORY / "params.yaml").read_text())
        values |= {"model": model}
        values["clean"]["image_size"] = 128
        values["train"] |= {"epochs": 4, "patience": 4, "batch_size": BATCH, "precision": "float32"}
        Path(folder, "params.yaml").write_text(yaml.safe_dump(values, sort_keys=False))
        alone = rate(Path(folder), 1)
        for count in (1, 2, 4):
            together = alone if count == 1 else rate(Path(folder), count)
            print(f"{model} 128, {count} processes {together:8.1f} films/s {together / alone:6.2f}", flush=True)


def rate(folder: Path, count: int) -> float:
    """Films per second, trained and validated, in the best epoch after the first."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    common = os.environ | {"KERAS_BACKEND": "jax", "PYTHONPATH": str(REPOSITORY / "src"), "TF_CPP_MIN_LOG_LEVEL": "3"}
    if count > 1:
        common |= {"KERAS_DISTRIBUTION_JOB_ADDRESSES": address, "KERAS_DISTRIBUTION_NUM_PROCESSES": str(count)}
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", TRAIN],
            cwd=folder,
            env=common | ({"KERAS_DISTRIBUTION_PROCESS_ID": str(number)} if count > 1 else {}),
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        for number in range(count)
    ]
    said = [process.communicate()[0] for process in processes]
    [line] = [line for line in said[0].splitlines() if line.startswith("RATE ")]
    return float(json.loads(line.removeprefix("RATE ")))


if __name__ == "__main__":
    main()
