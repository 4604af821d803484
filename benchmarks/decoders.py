"""The decoders of compressed DICOM that are installed, on the files that come with pydicom and pydicom-data.

    python benchmarks/decoders.py

A row for each file and each of pydicom's plugins: the greys against those of the first plugin, and the time of a frame.
Other decoders are compared where they are installed, best in an environment of their own: `pip install pydicom
pydicom-data pylibjpeg[all] python-gdcm pyjpegls` (pylibjpeg-libjpeg is under the GPL).
"""

import time
from pathlib import Path

import numpy as np
import pydicom
from pydicom.data import get_testdata_files
from pydicom.pixels import get_decoder

SECONDS = 0.2


def frame(file: Path, plugin: str) -> tuple[np.ndarray, float]:
    """The first frame, and the milliseconds that it takes, as a mean over `SECONDS`."""
    dataset, rounds, started = pydicom.dcmread(file), 0, time.perf_counter()
    decoder = get_decoder(dataset.file_meta.TransferSyntaxUID)
    while rounds == 0 or time.perf_counter() - started < SECONDS:
        pixels, _ = decoder.as_array(dataset, index=0, raw=True, decoding_plugin=plugin)
        rounds += 1
    return pixels, 1000 * (time.perf_counter() - started) / rounds


def plugins(file: Path) -> tuple[str, ...]:
    """pydicom's plugins for the file; none where it is not compressed or no file that is read."""
    try:
        syntax = pydicom.dcmread(file, stop_before_pixels=True).file_meta.TransferSyntaxUID
        return get_decoder(syntax).available_plugins if syntax.is_encapsulated else ()
    except Exception:  # many of these files are broken on purpose
        return ()


def main() -> None:
    for file in sorted(map(Path, get_testdata_files("*.dcm"))):
        first = None
        for plugin in plugins(file):
            try:
                pixels, milliseconds = frame(file, plugin)
            except Exception as error:  # as above, and no decoder reads everything
                print(f"{file.name:44} {plugin:10} {type(error).__name__}")
                continue
            first = pixels if first is None else first
            apart = np.abs(pixels.astype(np.int64) - first).max() if pixels.shape == first.shape else "another shape"
            print(f"{file.name:44} {plugin:10} {milliseconds:8.2f} ms, greys apart by {apart}")


if __name__ == "__main__":
    main()
