"""The table of quantisation steps by which a JPEG's quality is told, and films are degraded like a JPEG."""

import numpy as np

JPEG_LUMINANCE = np.array(
    [
        [16, 11, 10, 16, 24, 40, 51, 61],
        [12, 12, 14, 19, 26, 58, 60, 55],
        [14, 13, 16, 24, 40, 57, 69, 56],
        [14, 17, 22, 29, 51, 87, 80, 62],
        [18, 22, 37, 56, 68, 109, 103, 77],
        [24, 35, 55, 64, 81, 104, 113, 92],
        [49, 64, 78, 87, 103, 121, 120, 101],
        [72, 92, 95, 98, 112, 100, 103, 99],
    ]
)
"""The steps for luminance at quality 50, int64 (8, 8): ITU-T T.81 (1992), table K.1. The Independent JPEG Group's
encoder scales them by quality."""
