# SPDX-License-Identifier: Apache-2.0
"""Images to keypoints, and the conditioning made of them."""

from dataclasses import replace

from dp_ros.policy.encoders.cnn import Cnn, ImageEncoder
from dp_ros.policy.encoders.resnet import Resnet
from dp_ros.policy.encoders.vision import SpatialSoftmax, jitter_colors
from dp_ros.policy.encoders.vit import Vit
from dp_ros.policy.network import PolicyNetwork
from dp_ros.values import ConfigError
import pytest
import tiny_policy
import torch

SIZE = (40, 52)
NETWORKS = {
    'cnn': tiny_policy.CONFIG.encoder,
    'resnet': Resnet(crop_margin=2, width=16, n_keypoints=4),
    'vit': Vit(crop_margin=2, patch_size=6, dim=24, depth=1, heads=3),
}


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
    first, second = network.condition(joints, images, augment=True).chunk(2, dim=1)
    torch.testing.assert_close(first, second)
    torch.manual_seed(2)
    assert not torch.equal(network.condition(joints, images, augment=True)[:, :55], first)


def test_inference_crops_the_centre():
    network = tiny_policy.network()
    images = torch.randint(0, 256, (1, 2, 3, 32, 40), dtype=torch.uint8)
    edged = images.clone()
    edged[..., :2, :] = 0
    edged[..., -2:] = 255
    joints = torch.zeros(1, 2, 7)
    seen = [network.condition(joints, {'front': image}) for image in (images, edged)]
    torch.testing.assert_close(*seen)


@pytest.mark.parametrize('name', NETWORKS)
@pytest.mark.parametrize('shared', [False, True])
def test_cameras_have_an_encoder_each_or_share_one(name, shared):
    encoder = replace(NETWORKS[name], shared=shared)
    network = tiny_policy.network(image_sizes={'left': SIZE, 'right': SIZE}, encoder=encoder)
    image = torch.randint(0, 256, (1, 2, 3, *SIZE), dtype=torch.uint8)
    cond = network.condition(torch.zeros(1, 2, 7), {'left': image, 'right': image})
    left, right = cond.unflatten(1, (2, -1))[..., 7:].chunk(2, dim=-1)
    assert torch.equal(left, right) == shared
    assert list(network.encoders) == (['shared'] if shared else ['left', 'right'])


def test_one_encoder_is_for_one_size():
    sizes = {'left': SIZE, 'right': (40, 60)}
    for_each = tiny_policy.changed(image_sizes=sizes)
    assert PolicyNetwork(for_each).shapes.frame_dim == 7 + 2 * 12
    with pytest.raises(ConfigError, match=r'cnn.shared: images of \[\(40, 52\), \(40, 60\)\] px'):
        replace(for_each, encoder=replace(for_each.encoder, shared=True))


@pytest.mark.parametrize('shared', [False, True])
def test_a_policy_needs_no_image(shared):
    encoder = replace(tiny_policy.CONFIG.encoder, shared=shared)
    network = tiny_policy.network(image_sizes={}, encoder=encoder)
    assert len(network.encoders) == 0
    state = torch.rand(3, 2, 7)
    expected = network.states(state).flatten(1)
    assert torch.equal(network.condition(state, {}, augment=True), expected)


def test_mean_and_deviation_are_taken_off():
    encoder = Cnn(mean=(0.5, 0.4, 0.3), std=(0.5, 0.2, 0.1))
    grey = torch.full((1, 3, 2, 2), 0.5)
    expected = torch.tensor([0.0, 0.5, 2.0])
    torch.testing.assert_close(encoder.normalize(grey)[0, :, 1, 1], expected)
    plain = torch.rand(1, 3, 4, 4)
    assert torch.equal(Cnn().normalize(plain), plain)


def test_jitter_changes_colours_as_it_says():
    image = torch.tensor([0.2, 0.4, 0.1])[None, :, None, None].repeat(1, 1, 2, 2)
    image[..., 0] *= 2

    def jittered(*factors):
        return jitter_colors(image, torch.tensor([factors]))

    torch.testing.assert_close(jittered(1.0, 1.0, 1.0), image)
    torch.testing.assert_close(jittered(3.0, 1.0, 1.0), (3 * image).clamp(max=1))
    grey = 0.299 * image[:, 0] + 0.587 * image[:, 1] + 0.114 * image[:, 2]
    assert torch.allclose(jittered(1.0, 0.0, 1.0), grey.mean())
    torch.testing.assert_close(jittered(1.0, 1.0, 0.0), grey[:, None].expand(1, 3, 2, 2))


def test_all_frames_of_a_window_are_coloured_alike():
    encoder = Cnn(color_jitter=(0.4, 0.4, 0.4))
    images = torch.rand(3, 1, 3, 32, 40).repeat(1, 2, 1, 1, 1)
    torch.manual_seed(1)
    coloured, offset = encoder.augment(images.flatten(0, 1), 2)
    first, second = coloured.unflatten(0, (3, 2)).unbind(1)
    assert torch.equal(first, second)
    assert (first - images[:, 0]).abs().amax(dim=(1, 2, 3)).min() > 0.05
    torch.manual_seed(1)
    assert torch.equal(Cnn().augment(images.flatten(0, 1), 2)[1], offset)


@pytest.mark.parametrize(
    ('settings', 'reason'),
    [
        ({'mean': [0.5]}, r'cnn.mean = \(0.5,\): needs 3 values'),
        ({'std': [1, 1, 0]}, r'cnn.std = \(1, 1, 0\): needs values above 0'),
        ({'color_jitter': [0.1, 0.1, 1.5]}, r'cnn.color_jitter .* 0..1'),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, reason):
    with pytest.raises(ConfigError, match=reason):
        Cnn(**settings)
