"""Downloads into a cache that outlives a repeated stage: whole and checked, or absent."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pooch
import requests
from filelock import FileLock
from urllib3.exceptions import ReadTimeoutError

from pneumonia.errors import UserError
from pneumonia.outputs import whole_file

_CHUNK = 1 << 20  # bytes a read; pooch's own 1 KiB costs more than the transfer
_TIMEOUT = 60  # seconds without a byte


@dataclass(frozen=True)
class Download:
    """A published file: its address, the name it has in the cache, its hash as `algorithm:hex`, its size in bytes."""

    url: str
    file: str
    hash: str
    bytes: int | None = None


def fetch_file(download: Download, cache: Path) -> Path:
    """The downloaded file in `cache`; it is transferred only if it is not there yet with the right hash.

    A transfer that broke off starts again from its first byte: Mendeley's servers announce ranges, but do not always
    honour them after the redirection. The lock lets experiments that run at once share one transfer.

    Raises:
        UserError: the address cannot be reached, the server refuses, the transfer breaks off, the file is not the
            published one, or the cache cannot be written.
    """
    cached = cache / download.file
    try:
        cache.mkdir(parents=True, exist_ok=True)
        with FileLock(cache / f".{download.file}.lock"):
            if not (cached.is_file() and _has_hash(cached, download)):
                with whole_file(cached) as partial:
                    _transfer(download, partial)
                    _check(download, partial)
    except OSError as error:
        raise UserError(f"{cached}: cannot be written ({error.strerror or error})") from error
    return cached


def provenance(file: Path) -> dict[str, Any]:
    """What `source.json` says of a file: its size in bytes and its SHA-256."""
    return {"bytes": file.stat().st_size, "sha256": pooch.file_hash(str(file), alg="sha256")}


def _transfer(download: Download, partial: Path) -> None:
    url = download.url
    print(f"downloading {url} into {partial.parent}", file=sys.stderr)
    try:
        pooch.HTTPDownloader(progressbar=True, chunk_size=_CHUNK, timeout=_TIMEOUT)(url, str(partial), None)
    except requests.HTTPError as error:
        raise UserError(f"{url}: refused by the server ({str(error).partition(' for url')[0]})") from error
    except (requests.exceptions.ChunkedEncodingError, requests.exceptions.ContentDecodingError) as error:
        received = f"{partial.stat().st_size:,} bytes"
        raise UserError(f"{url}: the transfer broke off after {received}; run it again") from error
    except requests.RequestException as error:
        if isinstance(error, requests.ReadTimeout) or any(isinstance(each, ReadTimeoutError) for each in error.args):
            received = f"{partial.stat().st_size:,} bytes"
            stalled = f"the transfer stalled after {received}: none came for {_TIMEOUT} s"
            raise UserError(f"{url}: {stalled}; run it again") from error
        raise UserError(f"{url}: cannot be reached ({_root_cause(error)})") from error


def _check(download: Download, partial: Path) -> None:
    size = partial.stat().st_size
    if download.bytes is not None and size != download.bytes:
        raise UserError(f"{download.url}: sent {size:,} bytes; the published file has {download.bytes:,}")
    if not _has_hash(partial, download):
        algorithm, expected = download.hash.split(":")
        found = pooch.file_hash(str(partial), alg=algorithm)
        raise UserError(f"{download.url}: sent a file with {algorithm} {found}; the published one has {expected}")


def _has_hash(file: Path, download: Download) -> bool:
    algorithm, expected = download.hash.split(":")
    return bool(pooch.file_hash(str(file), alg=algorithm) == expected)


def _root_cause(error: BaseException) -> str:
    """The innermost message: requests and urllib3 wrap `Connection refused` in some hundred characters of their own."""
    while error.__context__ is not None:
        error = error.__context__
    return str(error)
