# SPDX-License-Identifier: Apache-2.0
"""Images to keypoints, and the conditioning made of them."""

from dp_ros.policy.encoders.cnn import ImageEncoder, SpatialSoftmax
import pytest
import tiny_policy
import torch


def test_the_spatial_softmax_finds_a_peak_between_pixels():
    features = torch.zeros(1, 1, 5, 9)
    features[0, 0, 2, 6] = features[0, 0, 2, 7] = 50.0
    x, y = SpatialSoftmax(5, 9)(features)[0, 0]
    assert float(x) == pytest.approx((6.5 - 4) / 4, abs=1e-5)
    assert float(y) == pytest.approx(0, abs=1e-5)


def spot_encoder():
    """An encoder whose one keypoint is the bright spot."""
    encoder = ImageEncoder((40, 60), (32, 52), (4,), 1)
    convolution, norm, _, last = encoder.features
    with torch.no_grad():
        convolution.weight.fill_(1.0)
        convolution.bias.zero_()
        norm.weight.fill_(1.0)
        norm.bias.zero_()
        last.weight.fill_(20.0)
    return encoder


def spot(row, column):
    image = torch.zeros(1, 3, 40, 60)
    image[:, :, row - 2 : row + 3, column - 2 : column + 3] = 1.0
    return image


def test_a_crop_changes_what_is_seen_but_not_where_it_is():
    encoder = spot_encoder()
    centre = encoder(spot(20, 32))
    for offset in ([0.0, 0.0], [8.0, 2.0], [3.0, 8.0]):
        moved = encoder(spot(20, 32), torch.tensor([offset]))
        assert (moved - centre).abs().max() < 0.03


def test_the_keypoint_follows_the_spot():
    encoder = spot_encoder()
    left, right = (float(encoder(spot(20, column)).detach()[0, 0]) for column in (20, 40))
    assert right - left == pytest.approx(2 * 20 / 60, rel=0.1)


def test_all_frames_of_a_window_are_cropped_alike():
    network = tiny_policy.network()
    images = {'front': torch.randint(0, 256, (3, 1, 3, 32, 40), dtype=torch.uint8)}
    images = {'front': images['front'].expand(3, 2, 3, 32, 40)}
    joints = torch.zeros(3, 2, 7)
    torch.manual_seed(1)
    first, second = network.condition(joints, images, random_crop=True).chunk(2, dim=1)
    torch.testing.assert_close(first, second)
    torch.manual_seed(2)
    assert not torch.equal(network.condition(joints, images, random_crop=True)[:, :55], first)


def test_inference_crops_the_centre():
    network = tiny_policy.network()
    images = torch.randint(0, 256, (1, 2, 3, 32, 40), dtype=torch.uint8)
    edged = images.clone()
    edged[..., :2, :] = 0
    edged[..., -2:] = 255
    joints = torch.zeros(1, 2, 7)
    seen = [network.condition(joints, {'front': image}) for image in (images, edged)]
    torch.testing.assert_close(*seen)
