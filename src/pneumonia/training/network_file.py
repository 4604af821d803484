"""A network as a file that is the same, byte for byte, whenever it is saved."""

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from zipfile import ZipFile, ZipInfo

import keras


def save_network(network: keras.Model, path: Path) -> None:
    """Save `network` in Keras' format, without the date and the times that Keras writes into it."""
    with TemporaryDirectory() as directory:
        dated = Path(directory) / "model.keras"
        network.save(dated)
        with ZipFile(dated) as source, ZipFile(path, "w") as target:
            for name in sorted(source.namelist()):
                content = source.read(name)
                if name == "metadata.json":
                    facts = json.loads(content)
                    del facts["date_saved"]
                    content = json.dumps(facts).encode()
                target.writestr(ZipInfo(name), content)  # of 1980, as zip's time begins
