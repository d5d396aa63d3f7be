# SPDX-License-Identifier: Apache-2.0
"""The conditional U-Net: shapes, what it depends on, and golden numbers."""

from dataclasses import replace
import json

from dp_ros.policy.denoisers.denoiser import Shapes
from dp_ros.policy.denoisers.unet import Unet
from golden import renew
import pytest
import torch

T = torch.tensor([3, 50])


SHAPES = Shapes(n_in=7, n_out=7, horizon=16, n_obs_steps=1, frame_dim=11)
SETTINGS = Unet(down_dims=(16, 32, 64))
VARIANTS = [{}, {'skips': 'own'}, {'film_scale': False, 'n_groups': 4, 'out_groups': 8}]


@pytest.fixture(scope='module', params=VARIANTS)
def net(request):
    torch.manual_seed(0)
    return replace(SETTINGS, **request.param).make(SHAPES).eval()


def inputs(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return (
        torch.randn(2, 16, 7, generator=generator),
        T,
        torch.randn(2, 11, generator=generator),
    )


def test_the_output_has_the_shape_of_the_sample(net):
    assert net(*inputs()).shape == (2, 16, 7)


def test_the_output_depends_on_sample_timestep_and_conditioning(net):
    sample, timestep, cond = inputs()
    out = net(sample, timestep, cond)
    for other in ((sample + 0.1, timestep, cond), (sample, timestep + 9, cond)):
        assert (net(*other) - out).abs().amax(dim=(1, 2)).min() > 1e-4
    assert (net(sample, timestep, cond + 1) - out).abs().max() > 1e-4


def test_the_members_of_a_batch_do_not_touch_each_other(net):
    sample, timestep, cond = inputs()
    alone = net(sample[1:], timestep[1:], cond[1:])
    torch.testing.assert_close(net(sample, timestep, cond)[1:], alone, rtol=1e-4, atol=1e-5)


def test_every_weight_gets_a_gradient(net):
    net.zero_grad()
    net(*inputs()).square().mean().backward()
    without = [n for n, p in net.named_parameters() if p.grad is None or not p.grad.abs().sum()]
    assert without == []


@pytest.mark.parametrize('name', ['unet', 'encoder'])
def test_golden_numbers_of_the_networks(name):
    golden = torch.tensor(json.loads(renew.FILE.read_text())[name])
    torch.testing.assert_close(getattr(renew, name)().flatten(), golden, rtol=1e-4, atol=1e-5)
