# SPDX-License-Identifier: Apache-2.0
"""Conversion of image messages to rgb arrays of the policy's size, live and from recordings."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import cv2
from dp_ros.arrays import Rgb
import numpy as np
from numpy.typing import NDArray

# colours of an encoding: (samples per pixel, OpenCV's conversion to rgb or None)
_COLOURS: Final[dict[str, tuple[int, int | None]]] = {
    'rgb': (3, None),
    'bgr': (3, cv2.COLOR_BGR2RGB),
    'rgba': (4, cv2.COLOR_RGBA2RGB),
    'bgra': (4, cv2.COLOR_BGRA2RGB),
    'mono': (1, cv2.COLOR_GRAY2RGB),
    # OpenCV names the Bayer patterns by their second row.
    'bayer_rggb': (1, cv2.COLOR_BayerBG2RGB),
    'bayer_bggr': (1, cv2.COLOR_BayerRG2RGB),
    'bayer_gbrg': (1, cv2.COLOR_BayerGR2RGB),
    'bayer_grbg': (1, cv2.COLOR_BayerGB2RGB),
}
# encoding: (bytes per sample, samples per pixel, conversion)
_ENCODINGS: Final[dict[str, tuple[int, int, int | None]]] = {
    f'{name}{8 * size}': (size, *colours) for name, colours in _COLOURS.items() for size in (1, 2)
} | {
    name: (1, 2, conversion)
    for conversion, names in (
        (cv2.COLOR_YUV2RGB_UYVY, ('uyvy', 'yuv422')),
        (cv2.COLOR_YUV2RGB_YUY2, ('yuyv', 'yuv422_yuy2')),
    )
    for name in names
}

_MAX_STRETCH: Final = 0.02


class ImageError(ValueError):
    """An image cannot be used; the message says why."""


def decode(message: Any) -> Rgb:
    """Decode a sensor_msgs Image or CompressedImage, of rclpy or of a bag, to rgb (H, W, 3).

    :raises ImageError: for an encoding that is not supported, or data that do not fit it.
    """
    try:
        return _decode_compressed(message) if hasattr(message, 'format') else _decode_raw(message)
    except cv2.error as error:
        raise ImageError(f'OpenCV refuses it: {" ".join(str(error).split())}') from error


def _decode_raw(message: Any) -> Rgb:
    if message.encoding not in _ENCODINGS:
        raise ImageError(f'encoding {message.encoding!r}: needs one of {sorted(_ENCODINGS)}')
    size, channels, conversion = _ENCODINGS[message.encoding]
    dtype = np.dtype(f'{">" if message.is_bigendian else "<"}u{size}')
    row = message.width * channels * size
    data = np.frombuffer(message.data, dtype=np.uint8)
    if not 0 < row <= message.step or not 0 < message.step * message.height == data.size:
        raise ImageError(
            f'{data.size} bytes for {message.width}×{message.height} {message.encoding} with a '
            f'step of {message.step} bytes: needs at least {row} a row, and whole rows'
        )
    rows = np.ascontiguousarray(data.reshape(message.height, message.step)[:, :row])
    pixels = rows.view(dtype).astype(dtype.newbyteorder('='))
    pixels = pixels.reshape(message.height, message.width, channels)
    rgb = pixels if conversion is None else cv2.cvtColor(pixels, conversion)
    return np.asarray(rgb if size == 1 else np.rint(rgb / 257), dtype=np.uint8)


def decoded_to_rgb(image: NDArray[Any] | None) -> Rgb:
    """Convert an image that OpenCV decoded, grey, BGR or BGRA, to rgb (H, W, 3).

    :raises ImageError: when OpenCV failed (None), or the image has more than 8 bits.
    """
    if image is None or image.dtype != np.uint8:
        what = 'cannot be decoded' if image is None else f'has samples of type {image.dtype}'
        raise ImageError(f'compressed image {what}: needs JPEG or PNG of 8 bits')
    conversions = {2: cv2.COLOR_GRAY2RGB, 3: cv2.COLOR_BGR2RGB, 4: cv2.COLOR_BGRA2RGB}
    conversion = conversions[2 if image.ndim == 2 else image.shape[2]]
    return np.asarray(cv2.cvtColor(image, conversion), dtype=np.uint8)


def fit_image(rgb: Rgb, height: int, width: int, crop: Sequence[int] = ()) -> Rgb:
    """Cut an image, then reduce it to the policy's size by averaging areas.

    :param crop: (top, left, height, width) of the part to keep [px]; empty: the whole image.
    :raises ImageError: when it would be enlarged or distorted, or the crop reaches beyond it.
    """
    if crop:
        rgb = _cut(rgb, *crop)
    if rgb.shape[:2] == (height, width):
        return rgb
    have_height, have_width = rgb.shape[:2]
    stretch = (have_height * width) / (have_width * height)
    if have_height < height or have_width < width or abs(stretch - 1) > _MAX_STRETCH:
        raise ImageError(
            f'image is {have_width}×{have_height}, {width}×{height} is needed: '
            'it would have to be enlarged or distorted'
        )
    return np.asarray(cv2.resize(rgb, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _cut(rgb: Rgb, top: int, left: int, height: int, width: int) -> Rgb:
    have_height, have_width = rgb.shape[:2]
    if top + height > have_height or left + width > have_width:
        raise ImageError(
            f'image is {have_width}×{have_height}: the crop of {width}×{height} px from '
            f'{left}, {top} on reaches beyond it'
        )
    return np.ascontiguousarray(rgb[top : top + height, left : left + width])


def _decode_compressed(message: Any) -> Rgb:
    data = np.frombuffer(message.data, dtype=np.uint8)
    return decoded_to_rgb(cv2.imdecode(data, cv2.IMREAD_UNCHANGED) if data.size else None)
