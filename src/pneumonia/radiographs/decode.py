"""The bytes of one file, told apart by content, as one film. They may be hostile: see `isolation`, where this runs."""

import re
import struct

from PIL import UnidentifiedImageError

from pneumonia.radiographs import jpeg, jpeg_stream, png
from pneumonia.radiographs.dicom import is_dicom, read_dicom
from pneumonia.radiographs.radiograph import Radiograph, UnreadableRadiograph


def decode(data: bytes) -> Radiograph:
    """Decode a file.

    Raises:
        UnreadableRadiograph: empty, not an image, truncated, corrupt, a decompression bomb, a DICOM without pixels or
            with pixels that are no greyscale or RGB.
    """
    if not data:
        raise UnreadableRadiograph("empty")
    try:
        if is_dicom(data):
            return read_dicom(data)
        if data.startswith(jpeg_stream.START):
            return jpeg.read_jpeg(data)
        if data.startswith(png.SIGNATURE):
            return png.read_png(data)
    except (UnreadableRadiograph, MemoryError):
        raise
    except UnidentifiedImageError as error:
        raise UnreadableRadiograph("corrupt: what starts as a JPEG or PNG is none") from error
    except Exception as error:  # on broken bytes the decoders raise anything, from KeyError to struct.error
        message = re.sub(r" at 0x[0-9a-f]+", "", " ".join(str(error).split()))  # the same in each run
        cut_short = isinstance(error, EOFError | struct.error) or "truncated" in message.lower()
        raise UnreadableRadiograph(f"{'truncated' if cut_short else 'corrupt'}: {message}") from error
    raise UnreadableRadiograph("not an image: neither JPEG nor PNG nor DICOM")
