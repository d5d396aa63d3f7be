# SPDX-License-Identifier: Apache-2.0
"""Image messages to rgb arrays of the policy's size, for recordings and live topics alike."""

from __future__ import annotations

from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

Rgb = NDArray[np.uint8]

# encoding: (type of a sample, samples per pixel, OpenCV's conversion to rgb8 or None)
_ENCODINGS: Final[dict[str, tuple[str, int, int | None]]] = {
    'rgb8': ('u1', 3, None),
    'bgr8': ('u1', 3, cv2.COLOR_BGR2RGB),
    'rgba8': ('u1', 4, cv2.COLOR_RGBA2RGB),
    'bgra8': ('u1', 4, cv2.COLOR_BGRA2RGB),
    'mono8': ('u1', 1, cv2.COLOR_GRAY2RGB),
    'mono16': ('u2', 1, cv2.COLOR_GRAY2RGB),
    # OpenCV names the Bayer patterns by their second row.
    'bayer_rggb8': ('u1', 1, cv2.COLOR_BayerBG2RGB),
    'bayer_bggr8': ('u1', 1, cv2.COLOR_BayerRG2RGB),
    'bayer_gbrg8': ('u1', 1, cv2.COLOR_BayerGR2RGB),
    'bayer_grbg8': ('u1', 1, cv2.COLOR_BayerGB2RGB),
}


class ImageError(ValueError):
    """An image cannot be used; the message says what it is."""


def decode(message: Any) -> Rgb:
    """Turn a sensor_msgs Image or CompressedImage, of rclpy or of a bag, into rgb (H, W, 3).

    :raises ImageError: for an encoding that is no colour image, or data that do not fit it.
    """
    if hasattr(message, 'format'):
        return _decode_compressed(message)
    if message.encoding not in _ENCODINGS:
        raise ImageError(f'encoding {message.encoding!r}: needs one of {sorted(_ENCODINGS)}')
    kind, channels, conversion = _ENCODINGS[message.encoding]
    dtype = np.dtype(kind).newbyteorder('>' if message.is_bigendian else '<')
    row = message.width * channels * dtype.itemsize
    data = np.frombuffer(message.data, dtype=np.uint8)
    if message.step < row or data.size != message.step * message.height or data.size == 0:
        raise ImageError(
            f'{data.size} bytes for {message.width}×{message.height} {message.encoding} '
            f'with rows of {message.step} bytes'
        )
    rows = np.ascontiguousarray(data.reshape(message.height, message.step)[:, :row])
    pixels = rows.view(dtype).reshape(message.height, message.width, channels)
    if dtype.itemsize == 2:
        pixels = (pixels >> 8).astype(np.uint8)
    return (
        pixels.copy()
        if conversion is None
        else np.asarray(cv2.cvtColor(pixels, conversion), np.uint8)
    )


def fit_image(rgb: Rgb, height: int, width: int) -> Rgb:
    """Resize to the policy's size, averaging areas; the same image when it fits already."""
    if rgb.shape[:2] == (height, width):
        return rgb
    return np.asarray(cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _decode_compressed(message: Any) -> Rgb:
    bgr = cv2.imdecode(np.frombuffer(message.data, dtype=np.uint8), cv2.IMREAD_COLOR)
    if bgr is None:
        raise ImageError(f'compressed image of format {message.format!r} cannot be decoded')
    return np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), np.uint8)
