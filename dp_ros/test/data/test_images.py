# SPDX-License-Identifier: Apache-2.0
"""Images of recordings are decoded as cv_bridge decodes them live."""

from types import SimpleNamespace

from bag_maker import pixels
import cv2
from cv_bridge import CvBridge
from dp_ros.data.images import ImageError, decode, decoded_to_rgb, fit_image
import numpy as np
import pytest
from sensor_msgs.msg import CompressedImage, Image

CHANNELS = {'rgb': 3, 'bgr': 3, 'rgba': 4, 'bgra': 4, 'mono': 1}
BAYER = ('bayer_rggb', 'bayer_bggr', 'bayer_gbrg', 'bayer_grbg')
ENCODINGS = (
    [(f'{name}{bits}', n, bits) for name, n in CHANNELS.items() for bits in (8, 16)]
    + [(f'{name}{bits}', 1, bits) for name in BAYER for bits in (8, 16)]
    + [('yuv422', 2, 8), ('yuv422_yuy2', 2, 8)]
)


def message(encoding, channels=3, bits=8, padding=0, is_bigendian=False):
    dtype = np.dtype(f'{">" if is_bigendian else "<"}u{bits // 8}')
    rng = np.random.default_rng(0)
    values = rng.integers(0, 2**bits, (16, 24 * channels)).astype(dtype).view(np.uint8)
    rows = np.pad(values, ((0, 0), (0, padding)))
    made = Image(height=16, width=24, encoding=encoding, step=rows.shape[1])
    made.is_bigendian = is_bigendian
    made.data.frombytes(rows.tobytes())
    return made


@pytest.mark.parametrize(('encoding', 'channels', 'bits'), ENCODINGS)
@pytest.mark.parametrize('padding', [0, 8])
def test_every_encoding_as_cv_bridge(encoding, channels, bits, padding):
    image = message(encoding, channels, bits, padding)
    expected = CvBridge().imgmsg_to_cv2(image, 'rgb8')
    np.testing.assert_array_equal(decode(image), expected)


def test_big_endian_as_cv_bridge():
    image = message('mono16', 1, 16, is_bigendian=True)
    np.testing.assert_array_equal(decode(image), CvBridge().imgmsg_to_cv2(image, 'rgb8'))


@pytest.mark.parametrize('format_', ['jpg', 'png'])
@pytest.mark.parametrize('channels', [1, 3])
def test_compressed_as_cv_bridge(format_, channels):
    image = CompressedImage(format=format_)
    image.data.frombytes(cv2.imencode(f'.{format_}', pixels(1, channels=channels))[1].tobytes())
    expected = decoded_to_rgb(CvBridge().compressed_imgmsg_to_cv2(image))
    assert expected.shape == (16, 24, 3)
    np.testing.assert_array_equal(decode(image), expected)


@pytest.mark.parametrize(('new', 'old'), [('uyvy', 'yuv422'), ('yuyv', 'yuv422_yuy2')])
def test_the_newer_names_of_encodings_mean_the_same(new, old):
    image, renamed = message(old, 2), message(new, 2)
    np.testing.assert_array_equal(decode(image), decode(renamed))


def test_a_padding_that_is_no_multiple_of_the_pixel():
    plain, padded = message('rgb8'), message('rgb8', padding=5)
    np.testing.assert_array_equal(decode(padded), decode(plain))


@pytest.mark.parametrize(
    'changes',
    [
        {'height': 0},
        {'width': 0},
        {'height': 0, 'width': 0, 'step': 0, 'data': []},
        {'step': 0},
        {'step': 2**32 - 1},
        {'width': 2**32 - 1},
        {'height': 2**32 - 1, 'width': 2**32 - 1, 'step': 2**32 - 1},
        {'data': []},
        {'encoding': 'yuv422', 'width': 3, 'step': 72},
    ],
)
def test_numbers_that_do_not_fit_each_other_are_refused(changes):
    image = message('rgb8')
    for name, value in changes.items():
        setattr(image, name, value)
    with pytest.raises(ImageError):
        decode(image)


def test_a_picture_that_claims_to_be_too_large_is_refused():
    data = bytearray(cv2.imencode('.png', np.zeros((4, 4), np.uint8))[1].tobytes())
    data[16:24] = b'\x7f\xff\xff\xff' * 2
    with pytest.raises(ImageError):
        decode(SimpleNamespace(format='png', data=np.frombuffer(data, np.uint8)))


@pytest.mark.parametrize('encoding', ['32FC1', '16UC1', '8UC3', 'jpeg', ''])
def test_an_encoding_that_is_no_colour_image_is_named(encoding):
    with pytest.raises(ImageError, match=f'encoding {encoding!r}: needs one of'):
        decode(message(encoding))


def test_data_that_do_not_fit_the_size():
    image = message('rgb8')
    image.height = 17
    with pytest.raises(ImageError, match='1152 bytes for 24×17 rgb8'):
        decode(image)


@pytest.mark.parametrize('data', [b'', b'not a picture'])
def test_a_broken_compressed_image(data):
    with pytest.raises(ImageError, match='cannot be decoded'):
        decode(SimpleNamespace(format='jpeg', data=np.frombuffer(data, np.uint8)))


def test_a_compressed_image_of_16_bits():
    data = cv2.imencode('.png', np.zeros((4, 4), np.uint16))[1]
    with pytest.raises(ImageError, match='uint16'):
        decode(SimpleNamespace(format='png', data=data))


def test_fitting_averages_areas():
    image = np.zeros((4, 4, 3), np.uint8)
    image[:2, :2] = 200
    image[0, 0] = 100
    np.testing.assert_array_equal(fit_image(image, 2, 2)[..., 0], [[175, 0], [0, 0]])
    assert fit_image(image, 4, 4) is image


def test_a_crop_is_cut_out_before_the_image_is_resized():
    image = pixels(0, 20, 30)
    cut = fit_image(image, 8, 12, (4, 5, 8, 12))
    np.testing.assert_array_equal(cut, image[4:12, 5:17])
    assert cut.flags.c_contiguous
    resized = fit_image(image, 8, 12, (4, 6, 16, 24))
    np.testing.assert_array_equal(resized, fit_image(image[4:20, 6:30], 8, 12))
    np.testing.assert_array_equal(fit_image(image, 20, 30, (0, 0, 20, 30)), image)


@pytest.mark.parametrize('crop', [(5, 0, 16, 24), (0, 7, 16, 24), (0, 0, 21, 24), (99, 99, 1, 1)])
def test_a_crop_that_reaches_beyond_the_image(crop):
    top, left, height, width = crop
    reason = f'image is 30×20: the crop of {width}×{height} px from {left}, {top} on reaches'
    with pytest.raises(ImageError, match=reason):
        fit_image(pixels(0, 20, 30), 8, 12, crop)


def test_a_crop_that_would_be_blown_up_or_distorted():
    for crop in ((0, 0, 8, 12), (0, 0, 16, 16)):
        with pytest.raises(ImageError, match=r'image is \d+×\d+, 24×16 is needed'):
            fit_image(pixels(0, 20, 30), 16, 24, crop)


@pytest.mark.parametrize('size', [(15, 24), (16, 23), (32, 32)])
def test_an_image_that_would_be_blown_up_or_distorted(size):
    with pytest.raises(ImageError, match=f'image is {size[1]}×{size[0]}, 24×16 is needed'):
        fit_image(np.zeros((*size, 3), np.uint8), 16, 24)
