"""Whatever is done to the bytes of a film, it ends in an array or in a reason, in little time and memory.

`python -m tests.radiographs.test_hostile_files` prints the figures of docs/reliability.md.
"""

import io
import random
import re
import resource
import struct
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.data import get_testdata_file
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit, RLELossless

from pneumonia.radiographs import isolation
from pneumonia.radiographs.radiograph import UnreadableRadiograph
from pneumonia.radiographs.read import read_radiograph

from ..conftest import REPOSITORY
from ..dicom_files import compressed, dicom
from ..png_files import png

TRIES = 20_000
PUBLISHED = (
    "JPEG-LL.dcm",
    "JPGExtended.dcm",
    "JPGLosslessP14SV1_1s_1f_8b.dcm",
    "MR_small_jpeg_ls_lossless.dcm",
    "JPEGLSNearLossless_16.dcm",
    "693_J2KI.dcm",
    "GDCMJ2K_TextGBR.dcm",
    "vlut_04.dcm",
)
"""Files of pydicom's, of compressions that nothing here can write."""


@cache
def corpus() -> list[bytes]:
    """A film in each format that is read, in many of their variants."""
    rows, columns = np.mgrid[:96, :128]
    grey = (128 + 60 * np.sin(rows / 9) + 60 * np.cos(columns / 11)).astype(np.uint8)
    film, deep = Image.fromarray(grey), grey.astype(np.uint16) * 16
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "film"
    files = []
    for image, form, options in [
        (film, "JPEG", {"exif": exif.tobytes(), "comment": b"film"}),
        (film, "JPEG", {"progressive": True}),
        (film.convert("RGB"), "JPEG", {"progressive": True, "subsampling": 2}),
        (film.convert("CMYK"), "JPEG", {}),
        (film, "PNG", {"exif": exif.tobytes()}),
        (film.convert("RGBA"), "PNG", {}),
        (film.convert("P"), "PNG", {}),
        (film.convert("1"), "PNG", {}),
    ]:
        file = io.BytesIO()
        image.save(file, form, **options)
        files.append(file.getvalue())
    files += [png(deep[..., None].repeat(channels, 2), 16, kind) for channels, kind in ((1, 0), (3, 2), (2, 4), (4, 6))]

    table = pydicom.Dataset()
    table.add_new("LUTDescriptor", "US", [256, 0, 8])
    table.add_new("LUTData", "US", list(range(256)))
    signed = (deep.astype(np.int32) - 1024).astype(np.int16)
    window = {"WindowCenter": 2000, "WindowWidth": 3000, "RescaleSlope": 2, "RescaleIntercept": 5}
    plain = [
        dicom(grey, PatientAge="034Y", ViewPosition="PA"),
        dicom(grey, "MONOCHROME1", VOILUTSequence=[table], ModalityLUTSequence=[table]),
        dicom(deep, bits=12, **window),
        dicom(signed, bits=16, PixelPaddingValue=-1024, PixelPaddingRangeLimit=-1000),
        dicom(np.stack([grey] * 3, 2), "RGB"),
        dicom(grey, NumberOfFrames=2, PixelData=np.stack([grey, grey]).tobytes()),
    ]
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = JPEGBaseline8Bit
    encapsulated = dicom(grey, PixelData=encapsulate([files[0]]), file_meta=meta)
    shorter = [compressed(film, syntax) for syntax in (RLELossless, JPEG2000Lossless) for film in (plain[0], plain[2])]
    published = [
        Path(str(path)).read_bytes() for name in PUBLISHED if (path := get_testdata_file(name, download=False))
    ]
    assert len(published) == len(PUBLISHED), "pydicom-data is not installed"
    return [*files, *plain, encapsulated, *shorter, *published]


def flip_bits(data: bytearray, rng: random.Random) -> None:
    for _ in range(rng.choice((1, 1, 2, 8, 64))):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)


def write_lengths(data: bytearray, rng: random.Random) -> None:
    """Numbers that are too large or too small, where numbers stand: mostly in headers."""
    for _ in range(rng.choice((1, 1, 2, 4))):
        form = rng.choice(("<H", ">H", "<I", ">I"))
        top = 256 ** struct.calcsize(form) - 1
        number = rng.choice((0, 1, 2, 255, 256, 8000, top, top - 1, top // 2, top // 2 + 1, rng.randrange(top)))
        at = rng.randrange(min(len(data), rng.choice((64, 400, 3000, len(data)))))
        written = struct.pack(form, min(number, top))
        data[at : at + len(written)] = written


def move_segments(data: bytearray, rng: random.Random) -> None:
    """A part of the file is lost, doubled, many times there, or elsewhere."""
    start = rng.randrange(len(data))
    end = min(len(data), start + rng.choice((1, 2, 4, 16, 256, 4096)))
    part = data[start:end]
    if rng.random() < 0.7:
        del data[start:end]
    at = rng.randrange(len(data) + 1)
    data[at:at] = part * rng.choice((0, 1, 2, 200))


def change_tags(data: bytearray, rng: random.Random) -> None:
    """Markers of JPEG, kinds of PNG's chunks, tags and types of DICOM."""
    words = [bytes([0xFF, rng.randrange(0xC0, 0xFF)]), b"IDAT", b"IEND", b"PLTE", b"eXIf", b"\xff\x51", b"\xff\x52"]
    words += [bytes(rng.choice((b"SQ", b"UN", b"OB", b"DS", b"US", b"FD"))), b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"]
    words += [b"\x28\x00" + bytes([rng.randrange(0x20), rng.randrange(2)]), b"\xe0\x7f\x10\x00", b"\xff\xff\xff\xff"]
    word = rng.choice(words)
    found = data.find(word, rng.randrange(len(data)))
    at = found if found >= 0 and rng.random() < 0.5 else rng.randrange(len(data))
    data[at : at + len(word)] = rng.choice(words)


def splice(data: bytearray, rng: random.Random) -> None:
    other = rng.choice(corpus())
    at, start = rng.randrange(len(data)), rng.randrange(len(other))
    data[at:] = other[start:]


def cut(data: bytearray, rng: random.Random) -> None:
    del data[rng.randrange(1, len(data)) :]
    data += bytes(rng.choice((0, 0, 1, 1000)))


MUTATIONS: tuple[Callable[[bytearray, random.Random], None], ...] = (
    flip_bits,
    write_lengths,
    write_lengths,
    move_segments,
    change_tags,
    splice,
    cut,
)


def mutated(number: int) -> bytes:
    """A film of the corpus to which something was done, always the same for one number."""
    rng = random.Random(number)
    data = bytearray(corpus()[number % len(corpus())])
    for _ in range(rng.choice((1, 1, 1, 2, 3))):
        rng.choice(MUTATIONS)(data, rng)
        if not data:
            break
    return bytes(data)


def outcome(data: bytes) -> str:
    """`read`, or the kind of the reason; what is read is a film."""
    try:
        film = read_radiograph(data)
    except UnreadableRadiograph as error:
        return str(error).partition(":")[0]
    assert film.pixels.dtype == np.uint8 and film.pixels.ndim == 2 and film.pixels.size
    return "read"


def test_the_films_themselves_are_read() -> None:
    assert [outcome(data) for data in corpus()] == ["read"] * len(corpus())


def test_a_hundred_damaged_films() -> None:
    outcomes = Counter(outcome(mutated(number)) for number in range(100))
    assert 10 < outcomes["read"] < 90


@pytest.mark.slow
def test_each_damaged_film_ends_in_an_array_or_a_reason() -> None:
    """As docs/reliability.md has it; in a process of its own, whose children are decoders alone."""
    command = [sys.executable, "-m", "tests.radiographs.test_hostile_files", str(TRIES)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert sum(int(row[:6].replace(",", "")) for row in done.stdout.splitlines()[2:]) == TRIES
    [slowest] = re.findall(r"slowest: \[\(\d+, ([\d.]+)\)", done.stdout)
    [memory] = re.findall(r"most memory of a decoder: (\d+) MiB", done.stdout)
    # The clock of a busy machine; on a quiet one each takes 2 s at most.
    assert float(slowest) < 20 and int(memory) < 1024


def main() -> None:
    """Read `TRIES` films, or as many as the first argument says, and print what came of it."""
    tries, outcomes, seconds = int(sys.argv[1]) if len(sys.argv) > 1 else TRIES, Counter[str](), []
    for number in range(tries):
        data = mutated(number)
        start = time.perf_counter()
        outcomes[re.sub(r"\d+", "N", outcome(data))] += 1
        seconds.append(time.perf_counter() - start)
    for decoder in isolation._idle:
        decoder.end()
    slowest = sorted(range(tries), key=lambda number: -seconds[number])[:10]
    print(f"{tries:,} films in {sum(seconds):.0f} s; slowest: {[(n, round(seconds[n], 2)) for n in slowest]}")
    print(f"most memory of a decoder: {resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10} MiB")
    for kind, count in outcomes.most_common():
        print(f"{count:6,}  {kind}")


if __name__ == "__main__":
    main()
