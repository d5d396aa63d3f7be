# SPDX-License-Identifier: Apache-2.0
"""The CvBridge: ROS image messages to arrays (height, width[, channels]) and back."""

from __future__ import annotations

import cv2
import numpy as np
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from .encodings import NUMPY_TYPES, convert, parse


class CvBridgeError(TypeError):
    """A conversion is not possible."""


def getCvType(encoding: str) -> int:  # noqa: N802
    """Return OpenCV's number of an encoding's type, as ``cv2.CV_8UC3``."""
    parsed = parse(encoding)
    return list(NUMPY_TYPES).index(parsed.depth) + ((parsed.channels - 1) << 3)


class CvBridge:
    """Converts between images as messages and as arrays."""

    def __init__(self) -> None:
        self.cvtype_to_name = {
            getCvType(name): name for depth in NUMPY_TYPES for name in _names(depth)
        }
        self.numpy_type_to_cvtype = {numpy: cv for cv, numpy in NUMPY_TYPES.items()}
        self.numpy_type_to_cvtype.update(NUMPY_TYPES)

    def dtype_with_channels_to_cvtype2(self, dtype: np.dtype, n_channels: int) -> str:
        """Return the generic encoding, ``8UC3``, of an array's type."""
        return f'{self.numpy_type_to_cvtype[dtype.name]}C{n_channels}'

    def cvtype2_to_dtype_with_channels(self, cvtype: int) -> tuple[str, int]:
        """Return numpy's name of the type and the number of channels."""
        return list(NUMPY_TYPES.values())[cvtype & 7], (cvtype >> 3) + 1

    def encoding_to_cvtype2(self, encoding: str) -> int:
        """Return OpenCV's number of an encoding's type; raises CvBridgeError if unknown."""
        try:
            return getCvType(encoding)
        except RuntimeError as error:
            raise CvBridgeError(error) from error

    def encoding_to_dtype_with_channels(self, encoding: str) -> tuple[str, int]:
        """Return numpy's name of an encoding's type and its number of channels."""
        return self.cvtype2_to_dtype_with_channels(self.encoding_to_cvtype2(encoding))

    def imgmsg_to_cv2(self, img_msg: Image, desired_encoding: str = 'passthrough') -> np.ndarray:
        """Return the image, one channel as (H, W), more as (H, W, C), in this machine's bytes.

        With ``passthrough`` it may share its memory with the message. Raises CvBridgeError.
        """
        image = self._view(img_msg)
        image = np.ascontiguousarray(image.astype(image.dtype.newbyteorder('='), copy=False))
        if desired_encoding == 'passthrough':
            return image
        return _convert(image, img_msg.encoding, desired_encoding)

    def _view(self, message: Image) -> np.ndarray:
        """Return the message's pixels where they are, without the padding of the rows."""
        name, n_channels = self.encoding_to_dtype_with_channels(message.encoding)
        dtype = np.dtype(name).newbyteorder('>' if message.is_bigendian else '<')
        pixel = dtype.itemsize * n_channels
        height, width, step = message.height, message.width, message.step
        if step < width * pixel:
            raise CvBridgeError(
                'Image is wrongly formed: step < width * byte_depth * num_channels  or  '
                f'{step} != {width} * {dtype.itemsize} * {n_channels}'
            )
        data = (
            np.frombuffer(message.data, np.uint8) if len(message.data) else np.empty(0, np.uint8)
        )
        if height * step != data.size:
            raise CvBridgeError(
                'Image is wrongly formed: height * step != size  or  '
                f'{height} * {step} != {data.size}'
            )
        shape = (height, width) if n_channels == 1 else (height, width, n_channels)
        return data.reshape(height, step)[:, : width * pixel].view(dtype).reshape(shape)

    def cv2_to_imgmsg(
        self, cvim: np.ndarray, encoding: str = 'passthrough', header: Header | None = None
    ) -> Image:
        """Return the message; ``passthrough`` names the encoding after the array's type.

        Raises CvBridgeError if the array's type is not the encoding's. Nothing is converted.
        """
        _check_array(cvim)
        cv_type = self.dtype_with_channels_to_cvtype2(
            cvim.dtype, 1 if cvim.ndim < 3 else cvim.shape[2]
        )
        if encoding == 'passthrough':
            encoding = cv_type
        elif self.cvtype_to_name[self.encoding_to_cvtype2(encoding)] != cv_type:
            raise CvBridgeError(
                f'encoding specified as {encoding}, but image has incompatible type {cv_type}'
            )
        message = Image(height=cvim.shape[0], width=cvim.shape[1], encoding=encoding)
        if header is not None:
            message.header = header
        message.is_bigendian = cvim.dtype.byteorder == '>'
        message.data.frombytes(cvim.tobytes())
        message.step = len(message.data) // message.height
        return message

    def compressed_imgmsg_to_cv2(
        self, cmprs_img_msg: CompressedImage, desired_encoding: str = 'passthrough'
    ) -> np.ndarray:
        """Return the decoded image: BGR, BGRA or grey as it was stored, or as desired.

        ``passthrough`` returns None for what OpenCV cannot read; otherwise CvBridgeError.
        """
        image = cv2.imdecode(np.frombuffer(cmprs_img_msg.data, np.uint8), cv2.IMREAD_UNCHANGED)
        if desired_encoding == 'passthrough':
            return image
        if image is None:
            raise CvBridgeError(f'cannot decode the {cmprs_img_msg.format} image')
        return _convert(image, 'bgr8', desired_encoding)

    def cv2_to_compressed_imgmsg(
        self, cvim: np.ndarray, dst_format: str = 'jpg'
    ) -> CompressedImage:
        """Return the message; colours are taken as BGR or BGRA."""
        _check_array(cvim)
        message = CompressedImage(format=dst_format)
        message.data.frombytes(cv2.imencode(f'.{dst_format}', cvim)[1].tobytes())
        return message


def _names(depth: str) -> list[str]:
    return [f'{depth}C{channels}' for channels in (1, 2, 3, 4)]


def _check_array(cvim: np.ndarray) -> None:
    if not isinstance(cvim, (np.ndarray, np.generic)):
        raise TypeError('Your input type is not a numpy array')


def _convert(image: np.ndarray, source: str, target: str) -> np.ndarray:
    try:
        return convert(image, source, target)
    except (RuntimeError, cv2.error) as error:
        raise CvBridgeError(error) from error
