# SPDX-License-Identifier: Apache-2.0
"""CvBridge as ros-perception/vision_opencv's: its conversions, its refusals, its memory."""

import cv2
import cv_bridge
from cv_bridge import CvBridge, CvBridgeError, getCvType
import numpy as np
import pytest
from sensor_msgs.msg import Image
from std_msgs.msg import Header

BRIDGE = CvBridge()
# red, green / blue, white
RGB = np.array([[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [255, 255, 255]]], np.uint8)
GREY = np.array([[76, 150], [29, 255]], np.uint8)


def image(array, encoding, width=None, step=None, **fields):
    array = np.ascontiguousarray(array)
    message = Image(height=array.shape[0], width=width or array.shape[1], encoding=encoding)
    message.step = step or array.nbytes // array.shape[0]
    message.data.frombytes(array.tobytes())
    for name, value in fields.items():
        setattr(message, name, value)
    return message


def with_alpha(rgb, alpha=255):
    return np.concatenate([rgb, np.full((*rgb.shape[:2], 1), alpha, rgb.dtype)], axis=2)


@pytest.mark.parametrize(
    ('array', 'encoding', 'desired', 'expected'),
    [
        (RGB, 'rgb8', 'rgb8', RGB),
        (RGB, 'rgb8', 'bgr8', RGB[..., ::-1]),
        (RGB[..., ::-1], 'bgr8', 'rgb8', RGB),
        (RGB, 'rgb8', 'rgba8', with_alpha(RGB)),
        (RGB, 'rgb8', 'bgra8', with_alpha(RGB[..., ::-1])),
        (with_alpha(RGB, 7), 'rgba8', 'rgb8', RGB),
        (with_alpha(RGB[..., ::-1], 7), 'bgra8', 'rgb8', RGB),
        (with_alpha(RGB[..., ::-1], 7), 'bgra8', 'rgba8', with_alpha(RGB, 7)),
        (RGB, 'rgb8', 'mono8', GREY),
        (GREY, 'mono8', 'rgb8', np.stack([GREY] * 3, axis=2)),
        (GREY, 'mono8', 'mono16', GREY.astype(np.uint16) * 257),
        (GREY.astype(np.uint16) * 257 - 100, 'mono16', 'mono8', GREY),
        (RGB, 'rgb8', 'mono16', GREY.astype(np.uint16) * 257),
        (RGB.astype(np.uint16) * 257, 'rgb16', 'bgr8', RGB[..., ::-1]),
        (RGB, 'rgb8', '8UC3', RGB),
        (RGB, 'rgb8', '', RGB),
        # values that are not colours: rounded half to even, saturated, 8 <-> 16 bits scaled
        (
            np.float32([[0.5, 1.5, 2.5, 7e4, -3]]),
            '32FC1',
            '16UC1',
            np.uint16([[0, 2, 2, 65535, 0]]),
        ),
        (np.float32([[np.nan, np.inf, -np.inf]]), '32FC1', '16UC1', np.uint16([[0, 0, 0]])),
        (np.uint16([[0, 1000, 65535]]), '16UC1', '32FC1', np.float32([[0, 1000, 65535]])),
        (np.uint16([[0, 257, 65535]]), '16UC1', '8UC1', np.uint8([[0, 1, 255]])),
        (np.int16([[-5, 300]]), '16SC1', '16UC1', np.uint16([[0, 300]])),
    ],
)
def test_conversions(array, encoding, desired, expected):
    result = BRIDGE.imgmsg_to_cv2(image(array, encoding), desired)
    assert result.dtype == expected.dtype
    np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize(
    ('pattern', 'first_row', 'second_row'),
    [
        ('rggb', [200, 100], [100, 50]),
        ('bggr', [50, 100], [100, 200]),
        ('gbrg', [100, 50], [200, 100]),
        ('grbg', [100, 200], [50, 100]),
    ],
)
@pytest.mark.parametrize(('bits', 'dtype'), [(8, np.uint8), (16, np.uint16)])
def test_bayer_patterns_give_back_a_plain_colour(pattern, first_row, second_row, bits, dtype):
    mosaic = np.tile(np.array([first_row, second_row], dtype), (4, 4))
    result = BRIDGE.imgmsg_to_cv2(image(mosaic, f'bayer_{pattern}{bits}'), f'rgb{bits}')
    np.testing.assert_array_equal(result[2:-2, 2:-2], np.full((4, 4, 3), [200, 100, 50]))


def test_yuv_grey_is_its_luma():
    uyvy = np.array([[[128, 10], [128, 20], [128, 30], [128, 40]]] * 2, np.uint8)
    result = BRIDGE.imgmsg_to_cv2(image(uyvy, 'yuv422'), 'mono8')
    np.testing.assert_array_equal(result, [[10, 20, 30, 40]] * 2)


@pytest.mark.parametrize(('array', 'encoding'), [(RGB, 'rgb8'), (GREY, 'mono8')])
@pytest.mark.parametrize('padding', [1, 2, 3, 7])
def test_padded_rows(array, encoding, padding):
    rows = array.reshape(2, -1)
    padded = np.pad(rows, ((0, 0), (0, padding)), constant_values=99)
    message = image(padded, encoding, width=2)
    np.testing.assert_array_equal(BRIDGE.imgmsg_to_cv2(message), array)


@pytest.mark.parametrize('dtype', ['uint16', 'int32', 'float32', 'float64'])
def test_big_endian(dtype):
    array = np.array([[1, 2, 300], [4, 5, 6]], np.dtype(dtype).newbyteorder('>'))
    message = BRIDGE.cv2_to_imgmsg(array)
    assert message.is_bigendian
    result = BRIDGE.imgmsg_to_cv2(message)
    assert result.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(result, array)


@pytest.mark.parametrize('channels', [None, 1, 2, 3, 4])
@pytest.mark.parametrize('dtype', ['uint8', 'int8', 'uint16', 'int16', 'int32', 'float32'])
def test_round_trip(dtype, channels):
    shape = (5, 7) if channels is None else (5, 7, channels)
    array = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    message = BRIDGE.cv2_to_imgmsg(array, header=Header(frame_id='camera'))
    assert (message.height, message.width, message.header.frame_id) == (5, 7, 'camera')
    assert message.step * 5 == array.nbytes
    result = BRIDGE.imgmsg_to_cv2(message)
    assert result.dtype == array.dtype
    np.testing.assert_array_equal(result, array.reshape(5, 7) if channels == 1 else array)


def test_passthrough_shares_the_memory_and_a_conversion_does_not():
    message = image(RGB, 'rgb8')
    BRIDGE.imgmsg_to_cv2(message, 'rgb8')[:] = 0
    np.testing.assert_array_equal(BRIDGE.imgmsg_to_cv2(message), RGB)
    BRIDGE.imgmsg_to_cv2(message)[:] = 0
    assert not any(message.data)


@pytest.mark.parametrize(
    ('message', 'desired', 'words'),
    [
        (image(RGB, 'rgb9'), 'passthrough', r'Unrecognized image encoding \[rgb9\]'),
        (image(RGB, ''), 'passthrough', r'Unrecognized image encoding \[\]'),
        (image(RGB, 'rgb8'), 'grey', 'grey'),
        (image(RGB, '8UC3'), 'rgb8', 'is not a color format'),
        (image(RGB, 'rgb8'), '8UC1', 'same OpenCV type'),
        (image(RGB, '8UC3'), '8UC1', 'same number of channel'),
        (image(GREY, 'mono8'), 'bayer_rggb8', 'Unsupported conversion'),
        (image(GREY, 'bayer_rggb8'), 'rgba8', 'Unsupported conversion'),
        (image(RGB, 'rgb8', width=3), 'rgb8', 'step < width'),
        (image(RGB, 'rgb8', height=3), 'rgb8', r'height \* step != size'),
    ],
)
def test_refusals(message, desired, words):
    with pytest.raises(CvBridgeError, match=words):
        BRIDGE.imgmsg_to_cv2(message, desired)


def test_sending_does_not_convert():
    assert BRIDGE.cv2_to_imgmsg(RGB, 'bgr8').encoding == 'bgr8'
    with pytest.raises(CvBridgeError, match='rgba8, but image has incompatible type 8UC3'):
        BRIDGE.cv2_to_imgmsg(RGB, 'rgba8')
    with pytest.raises(TypeError, match='not a numpy array'):
        BRIDGE.cv2_to_imgmsg([[1, 2]])


@pytest.mark.parametrize('dst_format', ['png', 'tiff'])
@pytest.mark.parametrize('array', [GREY, RGB, with_alpha(RGB, 9), GREY.astype(np.uint16) * 257])
def test_lossless_compression(dst_format, array):
    message = BRIDGE.cv2_to_compressed_imgmsg(array, dst_format)
    assert message.format == dst_format
    np.testing.assert_array_equal(BRIDGE.compressed_imgmsg_to_cv2(message), array)


def test_jpeg_comes_back_as_bgr_or_as_desired():
    bgr = np.full((16, 16, 3), (10, 100, 200), np.uint8)
    message = BRIDGE.cv2_to_compressed_imgmsg(bgr)
    assert message.format == 'jpg'
    np.testing.assert_allclose(BRIDGE.compressed_imgmsg_to_cv2(message), bgr, atol=3)
    rgb = BRIDGE.compressed_imgmsg_to_cv2(message, 'rgb8')
    np.testing.assert_allclose(rgb, bgr[..., ::-1], atol=3)


def test_garbage_is_not_an_image():
    message = BRIDGE.cv2_to_compressed_imgmsg(RGB)
    message.data = message.data[:20]
    assert BRIDGE.compressed_imgmsg_to_cv2(message) is None
    with pytest.raises(CvBridgeError, match='cannot decode the jpg image'):
        BRIDGE.compressed_imgmsg_to_cv2(message, 'rgb8')


def test_opencv_types():
    assert getCvType('rgb8') == cv2.CV_8UC3
    assert getCvType('8U') == cv2.CV_8UC1
    assert getCvType('32FC4') == cv2.CV_32FC4
    assert BRIDGE.encoding_to_dtype_with_channels('64FC2') == ('float64', 2)


def test_what_is_missing_names_the_real_package():
    with pytest.raises(ImportError, match='ros-jazzy-cv-bridge'):
        cv_bridge.cvtColorForDisplay  # noqa: B018
