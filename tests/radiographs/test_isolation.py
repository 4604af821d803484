"""Whatever a film does to its decoder, the caller goes on, and the next film is as if it were alone."""

import io
import os
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
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

from ..dicom_files import dicom
from ..hostile_films import HOSTILE
from ..png_files import chunk


def film() -> np.ndarray:
    return np.tile(np.arange(64, dtype=np.uint8) * 4, (48, 1))


def encoded(form: str = "PNG", image: np.ndarray | None = None, **options: object) -> bytes:
    file = io.BytesIO()
    Image.fromarray(film() if image is None else image).save(file, form, **options)
    return file.getvalue()


def reason(source: Path | bytes) -> str:
    with pytest.raises(UnreadableRadiograph) as caught:
        read_radiograph(source)
    np.testing.assert_array_equal(read_radiograph(encoded()).pixels, film())
    return str(caught.value)


def compressed(syntax: str, changes: dict[bytes, bytes], **elements: object) -> bytes:
    """`film` compressed, with bytes of its stream replaced after the compression, and elements too."""
    dataset = pydicom.dcmread(io.BytesIO(dicom(film())))
    dataset.compress(syntax, generate_instance_uid=False)
    for old, new in changes.items():
        assert dataset.PixelData.count(old) == 1
        dataset.PixelData = dataset.PixelData.replace(old, new)
    for name, value in elements.items():
        setattr(dataset, name, value)
    file = io.BytesIO()
    dataset.save_as(file, enforce_file_format=False)
    return file.getvalue()


def size(width: int, height: int) -> bytes:
    return struct.pack(">II", width, height)


def published(name: str) -> bytes:
    return Path(str(get_testdata_file(name, download=False))).read_bytes()


@pytest.mark.parametrize("told", [(8_388_672, 48), (64, 2**31), (63, 48), (64, 49), (2**32 - 1, 2**32 - 1)])
def test_a_jpeg_2000_stream_of_another_size_is_not_decoded(told: tuple[int, int]) -> None:
    start = b"\xff\x4f\xff\x51\0\x29\0\0"
    data = compressed(JPEG2000Lossless, {start + size(64, 48): start + size(*told)})
    assert reason(data).startswith(f"corrupt: its JPEG 2000 stream has {told[0]} x {told[1]} pixels")


@pytest.mark.parametrize(
    ("name", "marker"),
    [
        ("JPEG-LL.dcm", b"\xff\xc3"),
        ("JPGExtended.dcm", b"\xff\xc1"),
        ("MR_small_jpeg_ls_lossless.dcm", b"\xff\xf7"),
        ("SC_rgb_jpeg_lossy_gdcm.dcm", b"\xff\xc0"),
    ],
)
def test_a_jpeg_stream_of_another_size_is_not_decoded(name: str, marker: bytes) -> None:
    data = bytearray(published(name))
    at = data.index(marker, data.index(b"\xe0\x7f\x10\x00"))
    struct.pack_into(">HH", data, at + 5, 65500, 65500)
    assert "stream has 65500 x 65500 pixels" in reason(bytes(data))


@pytest.mark.parametrize(("at", "value", "told"), [(4, 255, "1 x 255 bits"), (9, 3, "frame is cut off")])
def test_a_stream_of_other_samples_is_not_decoded(at: int, value: int, told: str) -> None:
    data = bytearray(published("JPEG-LL.dcm"))
    data[data.index(b"\xff\xc3", data.index(b"\xe0\x7f\x10\x00")) + at] = value
    assert told in reason(bytes(data)) and reason(bytes(data)).startswith("corrupt: ")


def test_scans_are_counted_before_they_are_decoded() -> None:
    data = encoded("JPEG", progressive=True)
    starts = [at for at in range(len(data)) if data[at : at + 2] == b"\xff\xda"]
    start, end = starts[-2], starts[-1]
    assert reason(data[:start] + data[start:end] * 30 + data[start:]).startswith("decompression bomb: a JPEG of more")
    read_radiograph(data[:start] + data[start:end] * 3 + data[start:])


def test_items_and_fragments_are_counted_before_they_are_parsed() -> None:
    meta = FileMetaDataset()
    meta.TransferSyntaxUID = JPEGBaseline8Bit
    fragments = dicom(film(), PixelData=b"\xfe\xff\0\xe0\0\0\0\0" * 20_000, file_meta=meta)
    items = bytes(128) + b"DICM" + b"\x40\0\x75\2SQ\0\0\xff\xff\xff\xff\xfe\xff\0\xe0\xff\xff\xff\xff" * 20_000
    for data in (fragments, items):
        assert reason(data) == "decompression bomb: a DICOM of more than 10,000 items or fragments"


@pytest.mark.parametrize("name", HOSTILE)
def test_what_takes_too_much_memory_or_time_is_refused(name: str) -> None:
    made, expected = HOSTILE[name]
    data, start = made(), time.monotonic()
    assert reason(data).startswith(expected)
    assert time.monotonic() - start < 30  # by the clock of a busy machine; the decoder itself has a second


def test_run_lengths_that_grow_without_end_are_given_up() -> None:
    zeros = encapsulate([struct.pack("<16I", 1, 64, *[0] * 14) + b"\x81\0" * 20_000_000])
    assert (
        reason(compressed(RLELossless, {}, PixelData=zeros)) == "decompression bomb: it takes too much time to decode"
    )


@pytest.fixture
def killed_over_a_film() -> Iterator[None]:
    """Kill the decoder while it is at the next film, as a codec does that crashes."""
    read_radiograph(encoded())
    [decoder] = isolation._idle[-1:]

    def kill() -> None:
        time.sleep(0.3)
        decoder.process.send_signal(signal.SIGSEGV)

    thread = threading.Thread(target=kill)
    thread.start()
    yield
    thread.join()


@pytest.mark.usefixtures("killed_over_a_film")
def test_a_crash_of_the_decoder_is_a_reason() -> None:
    busy = encoded()[:33] + chunk(b"IDAT", b"") * 2_000_000 + chunk(b"IEND", b"")
    assert reason(busy) == "corrupt: it ends its decoder (SIGSEGV)"


def test_a_decoder_that_was_ended_while_idle_costs_no_film() -> None:
    read_radiograph(encoded())
    for decoder in isolation._idle:
        decoder.process.kill()
        decoder.process.wait()
    np.testing.assert_array_equal(read_radiograph(encoded()).pixels, film())


@pytest.mark.parametrize(("python", "why"), [("/bin/false", "it ends at once"), ("/no/python", "No such file")])
def test_that_no_decoder_can_be_started_is_no_fault_of_the_film(python: str, why: str) -> None:
    program = (
        f"import sys; sys.executable = {python!r}; from pneumonia.radiographs.read import read_radiograph\n"
        "try: read_radiograph(b'film')\n"
        "except Exception as error: print(type(error).__name__, error)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("UserError no process can be started to decode films")
    assert why in done.stdout


def test_many_threads_get_each_its_own_film() -> None:
    films = [np.full((30, 40 + number), number, np.uint8) for number in range(60)]
    with ThreadPoolExecutor(16) as threads:
        read = list(threads.map(lambda film: read_radiograph(encoded(image=film)).pixels, films))
    for got, want in zip(read, films, strict=True):
        np.testing.assert_array_equal(got, want)
    assert len(isolation._idle) <= (os.cpu_count() or 1)


def test_what_is_no_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.png")
    assert reason(tmp_path / "pipe.png") == "no file: it is a device or a pipe"
    assert reason(Path("/dev/zero")) == "no file: it is a device or a pipe"
    with (tmp_path / "long.dcm").open("wb") as file:
        file.truncate(300 << 20)
    assert reason(tmp_path / "long.dcm").startswith("too long: 314,572,800 bytes")


def test_a_module_beside_the_films_is_not_run(tmp_path: Path) -> None:
    (tmp_path / "numpy.py").write_text("raise SystemExit('taken over')")
    (tmp_path / "film.png").write_bytes(encoded())
    program = "from pneumonia.radiographs.read import read_radiograph as read; from pathlib import Path; "
    program += f"import os; os.chdir({str(tmp_path)!r}); print(read(Path('film.png')).pixels.shape)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "(48, 64)\n"


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM, None])
def test_no_decoder_outlives_the_process_that_started_it(how: signal.Signals | None) -> None:
    program = (
        "from pneumonia.radiographs import isolation, read\n"
        "try: read.read_radiograph(b'no film')\n"
        "except Exception: print(isolation._idle[0].process.pid, flush=True)\n"
    ) + ("input()" if how else "")
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout
        decoder = int(process.stdout.readline())
        if how:
            process.send_signal(how)
        process.wait()
    for _ in range(100):
        if not Path(f"/proc/{decoder}").exists():
            return
        time.sleep(0.1)
    pytest.fail("the decoder is still there")


def test_a_fork_has_decoders_of_its_own() -> None:
    read_radiograph(encoded())
    program = (
        "import os, io; from pneumonia.radiographs.read import read_radiograph\n"
        f"data = bytes.fromhex('{encoded().hex()}')\n"
        "read_radiograph(data); child = os.fork()\n"
        "for _ in range(50): assert read_radiograph(data).pixels.shape == (48, 64)\n"
        "if child: assert os.waitpid(child, 0)[1] == 0; print('both')\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "both\n"
