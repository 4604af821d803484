"""How a picture is to be turned, by its EXIF (CIPA DC-008, tag 0x0112): no orientation that can be read is none."""

from PIL import Image
from PIL.Image import Transpose

_ORIENTATION = 0x0112
_TURNS = {
    2: Transpose.FLIP_LEFT_RIGHT,
    3: Transpose.ROTATE_180,
    4: Transpose.FLIP_TOP_BOTTOM,
    5: Transpose.TRANSPOSE,
    6: Transpose.ROTATE_270,
    7: Transpose.TRANSVERSE,
    8: Transpose.ROTATE_90,
}


def orientation_in(exif: bytes) -> int:
    """The orientation, 1 to 8, in the body of EXIF data; 1, upright, where there is none or it cannot be read."""
    try:
        tags = Image.Exif()
        tags.load(exif)
        turned = int(tags.get(_ORIENTATION, 1))
    except Exception:  # on broken bytes Pillow raises anything, and a film is not lost for its metadata
        return 1
    return turned if turned in _TURNS else 1


def upright(image: Image.Image, orientation: int) -> Image.Image:
    """`image` turned so that `orientation` becomes 1."""
    return image.transpose(_TURNS[orientation]) if orientation in _TURNS else image
