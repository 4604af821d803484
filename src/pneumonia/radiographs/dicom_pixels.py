"""The first frame of a DICOM file as it is stored.

A compressed frame is looked at before it is decoded: its stream says how large it is, and decoders believe that.
"""

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from pneumonia.radiographs.jpeg import decode_components, greyer
from pneumonia.radiographs.jpeg2000 import read_codestream
from pneumonia.radiographs.jpeg_stream import read_stream
from pneumonia.radiographs.limits import admit
from pneumonia.radiographs.radiograph import UnreadableRadiograph

if TYPE_CHECKING:
    from pydicom import Dataset


def stored_frame(dataset: "Dataset") -> np.ndarray | Image.Image:
    """The first frame: greys, (height, width) of any integer type, or a picture in colours of 8 bits.

    Red, green and blue of more bits are an array, uint16 (height, width, 3). Unused bits, where old scanners kept
    overlays, are gone.

    Raises:
        UnreadableRadiograph: cut off, a stream of another size than the file says, a transfer syntax that is not read.
    """
    from pydicom.uid import JPEG2000TransferSyntaxes, JPEGLSTransferSyntaxes, JPEGTransferSyntaxes

    admit(dataset.Columns, dataset.Rows)
    syntax = dataset.file_meta.TransferSyntaxUID
    mode = str(dataset.PhotometricInterpretation)
    is_rgb: bool | None = mode in ("RGB", "YBR_ICT", "YBR_RCT")  # the last two are what the decoder turns to RGB
    if syntax in [*JPEGTransferSyntaxes, *JPEGLSTransferSyntaxes]:
        stream = read_stream(_first_frame(dataset))
        frame = stream.frame
        _refuse_another_size(dataset, "JPEG", frame.width, frame.height, frame.components, frame.bits)
        _believe(dataset, frame.bits, signed=False)
        if frame.bits == 8 and not frame.lossless:  # Pillow's decoder is the fastest by far for what it can do
            picture = decode_components(stream, tagged_rgb=bool(is_rgb))
            return np.asarray(picture) if picture.mode == "L" else picture
        stored = _decode_by_gdcm(dataset, stream.data, frame.bits)
        is_rgb = stream.is_rgb if stream.is_rgb is not None else (None if is_rgb else False)
    elif syntax in JPEG2000TransferSyntaxes:
        codestream = read_codestream(_first_frame(dataset))
        size = codestream.width, codestream.height, codestream.components, codestream.bits
        _refuse_another_size(dataset, "JPEG 2000", *size)
        _believe(dataset, codestream.bits, codestream.signed)
        stored = _decode_by_pydicom(dataset, "pylibjpeg", codestream.bits)
        is_rgb = is_rgb or codestream.becomes_rgb
    else:
        stored = _decode_by_pydicom(dataset, "pydicom" if syntax.is_encapsulated else "", dataset.BitsStored)
    return stored if stored.ndim == 2 else _in_colours(stored, is_rgb, dataset.BitsStored)


def _in_colours(stored: np.ndarray, is_rgb: bool | None, bits: int) -> np.ndarray | Image.Image:
    """Three samples a pixel: red, green and blue, or luma and chroma, or (None) whichever shows fewer colours."""
    if is_rgb is not False and stored.dtype == np.uint16:
        return stored
    if stored.dtype != np.uint8:
        raise UnreadableRadiograph(f"DICOM without greys: colours of {bits} bits")
    height, width, _ = stored.shape
    if is_rgb is None:
        return greyer((width, height), stored.tobytes())
    return Image.frombytes("RGB" if is_rgb else "YCbCr", (width, height), stored.tobytes())


def _first_frame(dataset: "Dataset") -> bytes:
    from pydicom.encaps import get_frame

    tables = dataset.get("ExtendedOffsetTable"), dataset.get("ExtendedOffsetTableLengths")
    offsets = tables if all(tables) else None
    return get_frame(dataset.PixelData, 0, number_of_frames=dataset.NumberOfFrames, extended_offsets=offsets)


def _refuse_another_size(dataset: "Dataset", kind: str, width: int, height: int, components: int, bits: int) -> None:
    told = dataset.Columns, dataset.Rows, dataset.SamplesPerPixel
    if (width, height, components) != told or bits > dataset.BitsAllocated:
        found = f"{width} x {height} pixels of {components} x {bits} bits"
        expected = f"{told[0]} x {told[1]} of {told[2]} x {dataset.BitsAllocated}"
        raise UnreadableRadiograph(f"corrupt: its {kind} stream has {found}, the file says {expected}")


def _believe(dataset: "Dataset", bits: int, signed: bool) -> None:
    """Correct what the file says by what the stream says of its samples: no more bits than these, and their sign.

    Fewer stand: a JPEG has 8 or 12 bits, whatever the film has. A sign in the file alone stands too: the stream then
    holds the bits of a signed number as they are.
    """
    dataset.BitsStored = min(dataset.BitsStored, bits)
    dataset.HighBit = dataset.BitsStored - 1
    dataset.PixelRepresentation = int(bool(dataset.PixelRepresentation) or signed)


def _decode_by_pydicom(dataset: "Dataset", plugin: str, bits: int) -> np.ndarray:
    """The frame by one of pydicom's decoders, as numbers of `bits` bits."""
    from pydicom.pixels.utils import get_expected_length, pixel_array
    from pydicom.uid import RLELossless

    syntax = dataset.file_meta.TransferSyntaxUID
    if not syntax.is_encapsulated and len(dataset.PixelData) < get_expected_length(dataset):
        raise UnreadableRadiograph(f"truncated: {len(dataset.PixelData):,} of {get_expected_length(dataset):,} bytes")
    # JPEG encoders drop the unused bits below those of a grey; RLE and files without compression may keep them.
    kept = syntax == RLELossless or not syntax.is_encapsulated
    unused_below = max(0, dataset.HighBit + 1 - dataset.BitsStored) if kept else 0
    try:
        greys = pixel_array(dataset, index=0, raw=True, decoding_plugin=plugin, bits_stored=bits + unused_below)
    except NotImplementedError:
        name = syntax.name if syntax.is_transfer_syntax else "unknown"
        raise UnreadableRadiograph(f"DICOM transfer syntax: {name} is not read") from None
    return greys >> unused_below if unused_below else greys


def _decode_by_gdcm(dataset: "Dataset", stream: bytes, bits: int) -> np.ndarray:
    """The samples of a lossless JPEG, a JPEG-LS, or a JPEG of 12 bits.

    Not by pydicom, which lets GDCM decode no 12 bits since its greys differ from others' by 1 of 4,095.
    """
    import gdcm

    fragment, fragments = gdcm.Fragment(), gdcm.SequenceOfFragments.New()
    fragment.SetByteStringValue(stream)
    fragments.AddFragment(fragment)
    element = gdcm.DataElement(gdcm.Tag(0x7FE0, 0x0010))
    element.SetValue(fragments.__ref__())
    image = gdcm.Image()
    image.SetNumberOfDimensions(2)
    image.SetDimensions((dataset.Columns, dataset.Rows, 1))
    # Of colours it is to change nothing.
    kind = "MONOCHROME2" if dataset.SamplesPerPixel == 1 else "RGB"
    photometric = gdcm.PhotometricInterpretation.GetPIType(kind)
    image.SetPhotometricInterpretation(gdcm.PhotometricInterpretation(photometric))
    syntax = gdcm.TransferSyntax.GetTSType(str(dataset.file_meta.TransferSyntaxUID))
    image.SetTransferSyntax(gdcm.TransferSyntax(syntax))
    allocated, samples = 8 if bits <= 8 else 16, dataset.SamplesPerPixel
    image.SetPixelFormat(gdcm.PixelFormat(samples, allocated, bits, bits - 1, dataset.PixelRepresentation))
    image.SetDataElement(element)
    decoded = image.GetBuffer()
    if decoded is None:
        raise UnreadableRadiograph("corrupt: a JPEG that cannot be decoded")
    # GDCM hands bytes out as text.
    stored = np.frombuffer(decoded.encode("utf-8", "surrogateescape"), f"u{allocated // 8}")
    stored = stored.reshape((dataset.Rows, dataset.Columns, samples)[: 2 if samples == 1 else 3])
    if not dataset.PixelRepresentation:
        return stored
    unused = allocated - dataset.BitsStored  # the sign is the uppermost of the bits stored
    return (stored << unused).view(f"i{allocated // 8}") >> unused
