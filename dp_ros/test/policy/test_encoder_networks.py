# SPDX-License-Identifier: Apache-2.0
"""ResNet and vision transformer: the references' functions, their weights, and what cannot be."""

from dataclasses import replace
import json

from dp_ros.policy.checkpoint import load_network, save_checkpoint
from dp_ros.policy.encoders.resnet import Resnet, make_backbone
from dp_ros.policy.encoders.vit import Vit, fit_positions, make_positions
from dp_ros.policy.network import PolicyNetwork
from dp_ros.values import ConfigError
from golden.renew_encoders import FILE, fill, pixels
import pytest
from safetensors.torch import save_file
import tiny_policy
import torch

GOLDEN = json.loads(FILE.read_text())
RESNET = Resnet(crop_margin=2, width=16, n_keypoints=4)
VIT = Vit(crop_margin=2, patch_size=6, dim=24, depth=2, heads=3)
SIZE = (40, 52)


@pytest.mark.parametrize('depth', [18, 34])
def test_the_backbone_is_torchvisions(depth):
    golden = GOLDEN[f'resnet{depth}']
    backbone = fill(make_backbone(depth, 64))
    assert len(backbone.state_dict()) == golden['n_tensors']
    with torch.no_grad():
        maps = backbone(pixels(1, 3, 40, 56))
    # Processors round so deep a network differently: 4e-4 lie between float32 and float64.
    means = torch.tensor(golden['means'])
    torch.testing.assert_close(maps.mean(dim=(0, 2, 3)), means, atol=4e-4, rtol=0)


def test_the_transformer_is_dinov2s():
    golden = GOLDEN['vit']
    network = fill(replace(VIT, crop_margin=0).make((36, 36)))
    assert sorted(network.state_dict()) == golden['tensors']
    with torch.no_grad():
        feature = network(pixels(1, 3, 36, 36))[0]
    torch.testing.assert_close(feature, torch.tensor(golden['feature']))


@pytest.mark.parametrize('settings', [RESNET, VIT, replace(VIT, feature='mean')])
def test_features_come_of_the_crop_and_of_nothing_else(settings):
    torch.manual_seed(0)
    network = settings.make(SIZE)
    images = torch.rand(2, 3, *SIZE)
    features = network(images)
    assert features.shape == (2, settings.n_features)
    assert (features[0] - features[1]).abs().max() > 1e-4
    offset = torch.tensor([[2.0, 2.0], [1.0, 4.0]])
    torch.testing.assert_close(network(images, offset)[0], features[0])
    edged = images.clone()
    edged[..., :2] = 0
    assert torch.equal(network(edged), features)
    assert (network(edged, offset)[1] - features[1]).abs().max() > 1e-4


@pytest.fixture
def file(tmp_path):
    torch.manual_seed(1)
    tensors = replace(VIT, crop_margin=0).make((36, 36)).state_dict()
    save_file(tensors | {'mask_token': torch.zeros(1, 24)}, tmp_path / 'vit.safetensors')
    return tmp_path / 'vit.safetensors'


def test_a_checkpoint_of_another_size_is_interpolated(file):
    settings = replace(VIT, checkpoint=str(file))
    network = settings.make(SIZE)
    settings.load_pretrained(network)
    torch.manual_seed(1)
    source = replace(VIT, crop_margin=0).make((36, 36))
    assert torch.equal(network.blocks[1].mlp.fc1.weight, source.blocks[1].mlp.fc1.weight)
    assert network.pos_embed.shape == (1, 1 + 6 * 8, 24)
    torch.testing.assert_close(network.pos_embed[:, 0], source.pos_embed[:, 0])


def test_interpolation_keeps_a_slope():
    rows = torch.arange(6.0).repeat_interleave(6)
    embedding = torch.cat([torch.zeros(1), rows])[None, :, None]
    fitted = fit_positions(embedding, (12, 6))[0, 1:, 0].reshape(12, 6)
    torch.testing.assert_close(fitted[3:9, 0], torch.arange(1.25, 4, 0.5), atol=0.05, rtol=0)
    assert torch.equal(fit_positions(embedding, (6, 6)), embedding)


@pytest.mark.parametrize(
    ('change', 'reason'),
    [
        ({'dim': 48}, r'size mismatch for cls_token'),
        ({'depth': 3}, r'Missing key\(s\).*blocks.2'),
        ({'depth': 1}, r'Unexpected key\(s\).*blocks.1'),
        ({'checkpoint': 'nowhere.safetensors'}, "'nowhere.safetensors': No such file"),
    ],
)
def test_a_checkpoint_that_does_not_fit_is_refused(file, change, reason):
    settings = replace(VIT, **({'checkpoint': str(file)} | change))
    with pytest.raises(ConfigError, match=f'(?s)vit.checkpoint = .*{reason}'):
        settings.load_pretrained(settings.make(SIZE))


def test_a_file_of_something_else_is_refused(tmp_path):
    (tmp_path / 'text').write_text('text')
    save_file({'weight': torch.zeros(1)}, tmp_path / 'other')
    for name in ('text', 'other'):
        settings = replace(VIT, checkpoint=str(tmp_path / name))
        with pytest.raises(ConfigError, match='vit.checkpoint'):
            settings.load_pretrained(settings.make(SIZE))


def test_a_trained_policy_does_not_read_the_checkpoint(file, tmp_path):
    encoder = replace(VIT, checkpoint=str(file))
    config = tiny_policy.changed(image_sizes={'front': SIZE}, encoder=encoder)
    network = PolicyNetwork(config)
    network.load_pretrained()
    save_checkpoint(tmp_path / 'policy', network, {})
    file.unlink()
    loaded = load_network(tmp_path / 'policy').encoders['front']
    assert torch.equal(loaded.pos_embed, network.encoders['front'].pos_embed)


def test_every_patch_starts_with_a_position_of_its_own():
    made = make_positions((5, 7), 16)[0]
    assert made.shape == (36, 16)
    distances = torch.cdist(made[1:], made[1:]) + 10 * torch.eye(35)
    assert distances.min() > 0.1
    side = distances.reshape(5, 7, 5, 7)
    torch.testing.assert_close(side[0, 0, 0, 1], side[3, 4, 3, 5])  # One step is one step.


LEARNER = replace(VIT, feature='mean', color_jitter=(0.1, 0.1, 0.1))


@pytest.mark.parametrize(('settings', 'steps'), [(LEARNER, 100), (RESNET, 30)])
def test_an_encoder_learns_where_something_is(settings, steps):
    torch.manual_seed(0)
    encoder = settings.make(SIZE)
    head = torch.nn.Linear(settings.n_features, 1)
    optimizer = torch.optim.AdamW([*encoder.parameters(), *head.parameters()], 3e-3)
    losses = []
    for _ in range(steps):
        column = torch.randint(6, 46, (8,))
        near = (torch.arange(52) - column[:, None]).abs() < 4
        images = 0.2 * torch.rand(8, 3, *SIZE) + 0.7 * near[:, None, None]
        images, offset = settings.augment(images, 1)
        answer = head(encoder(settings.normalize(images), offset))[:, 0]
        losses.append(torch.nn.functional.mse_loss(answer, column / 26 - 1))
        optimizer.zero_grad()
        losses[-1].backward()
        optimizer.step()
    assert sum(losses[-10:]) / 10 < 0.05  # A guess of the mean would be 0.2 off.


@pytest.mark.parametrize(
    ('encoder', 'reason'),
    [
        ({'name': 'resnet', 'depth': 50}, r'resnet.depth = 50: needs one of \(18, 34\)'),
        ({'name': 'resnet', 'width': 40}, 'resnet.width = 40: needs a multiple of 16'),
        ({'name': 'resnet', 'crop_margin': 4}, r"'front' \(40, 52\): less than 33 px"),
        ({'name': 'vit', 'heads': 5}, 'vit.dim = 384: needs a multiple of vit.heads = 5'),
        ({'name': 'vit', 'dim': 6, 'heads': 3}, 'vit.dim = 6: needs a multiple of 4'),
        ({'name': 'vit', 'patch_size': 0}, 'vit.patch_size = 0'),
        ({'name': 'vit', 'feature': 'max'}, "vit.feature = 'max'"),
        ({'name': 'vit', 'crop_margin': 0}, r'\(40, 52\) px .* multiples of vit.patch_size = 14'),
    ],
)
def test_settings_that_cannot_be_are_refused(encoder, reason):
    with pytest.raises(ConfigError, match=reason):
        tiny_policy.changed(image_sizes={'front': SIZE}, encoder=encoder)
