"""Zip archives of unknown origin: which members are taken, and how they reach the disk safely."""

import lzma
import shutil
import stat
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PureWindowsPath
from zipfile import BadZipFile, ZipFile, ZipInfo

from tqdm import tqdm

from pneumonia.errors import UserError
from pneumonia.names import printable
from pneumonia.radiographs.film_files import is_hidden

MAX_MEMBER_BYTES = 256 << 20
"""No film is larger: 16 bits a pixel on the largest detectors make 40 MiB."""

MAX_EXPANSION = 100
"""Unpacked bytes for each byte of the archive. Films are compressed already; zip bombs start at a thousand."""


def list_members(archive: Path, suffixes: tuple[str, ...]) -> list[str]:
    """The names of the archive's members that end in one of `suffixes` (lower case, with the dot), sorted.

    Hidden files and folders, and those that systems add, are left out.

    Raises:
        UserError: no zip, a truncated one, or one whose members should not be unpacked: absolute paths, `..`, symbolic
            links, encryption, or far more bytes than films can have.
    """
    with _open_zip(archive) as zip_file:
        members = [info for info in zip_file.infolist() if PureWindowsPath(info.filename).suffix.lower() in suffixes]
    for info in members:
        if (why := _why_refused(info)) is not None:
            raise UserError(f"{archive}: refused, its member {info.filename!r} {why}")
    unpacked = sum(info.file_size for info in members)
    if unpacked > MAX_EXPANSION * archive.stat().st_size:
        raise UserError(f"{archive}: refused, it unpacks to {unpacked:,} bytes, over {MAX_EXPANSION} times its size")
    return sorted({info.filename for info in members if not is_hidden(info.filename)})


def extract_members(archive: Path, destinations: Mapping[str, Path]) -> None:
    """Unpack each member named in `destinations` to its path there, with a progress bar on stderr.

    Names come from `list_members`, which has refused unsafe ones. Sizes need no second check: `zipfile` reads no more
    than a member declares, and compares its CRC.

    Raises:
        UserError: a damaged member, or a file that cannot be written.
    """
    with _open_zip(archive) as zip_file:
        for name, destination in tqdm(destinations.items(), desc=f"unpacking {printable(archive.name)}"):
            try:
                destination.parent.mkdir(parents=True, exist_ok=True)
                with zip_file.open(name) as member, destination.open("wb") as file:
                    shutil.copyfileobj(member, file)
            except (BadZipFile, EOFError, zlib.error, lzma.LZMAError, NotImplementedError) as error:
                raise UserError(f"{archive}: its member {name!r} is damaged ({error})") from error
            except OSError as error:
                raise UserError(f"{destination}: cannot be written ({error.strerror})") from error


@contextmanager
def _open_zip(archive: Path) -> Iterator[ZipFile]:
    try:
        zip_file = ZipFile(archive)
    except OSError as error:
        raise UserError(f"{archive}: cannot be read ({error.strerror})") from error
    except (BadZipFile, NotImplementedError, UnicodeDecodeError) as error:
        with archive.open("rb") as file:
            begins_as_zip = file.read(4) == b"PK\x03\x04"
        problem = "is a zip that was cut off or damaged" if begins_as_zip else "is not a zip archive"
        raise UserError(f"{archive}: {problem}") from error
    with zip_file:
        yield zip_file


def _why_refused(info: ZipInfo) -> str | None:
    path = PureWindowsPath(info.filename)  # splits at both separators, and knows drives
    if path.anchor or ".." in path.parts:
        return "leads out of the archive"
    if stat.S_ISLNK(info.external_attr >> 16):
        return "is a symbolic link"
    if info.flag_bits & 0x1:
        return "is encrypted"
    if info.file_size > MAX_MEMBER_BYTES:
        return f"has {info.file_size:,} bytes, more than the {MAX_MEMBER_BYTES:,} that a film may have"
    return None
