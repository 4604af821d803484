"""Fresh Python environments, for tests of what is installed elsewhere."""

import subprocess
import sys
from pathlib import Path


def make_environment(folder: Path, requirements: Path) -> Path:
    """A new environment in `folder` with what the file `requirements` names, and nothing else; its Python."""
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement", requirements]
    done = subprocess.run([folder / "bin" / "python", *install], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder / "bin" / "python"
