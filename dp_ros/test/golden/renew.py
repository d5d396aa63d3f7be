# SPDX-License-Identifier: Apache-2.0
"""Golden numbers of networks and samplers.

Weights and inputs come from a formula, so the numbers depend on the arithmetic alone. When it was
changed on purpose, renew them and say why in the commit: `python dp_ros/test/golden/renew.py`.
"""

import json
from pathlib import Path

from dp_ros.policy.denoisers.denoiser import Shapes
from dp_ros.policy.denoisers.unet import Unet
from dp_ros.policy.encoders.cnn import ImageEncoder
from dp_ros.policy.methods.diffusion import Diffusion
from dp_ros.policy.methods.method import drawn_from
import torch

FILE = Path(__file__).with_name('golden.json')
SHAPE = (2, 8, 3)


def wave(*shape, scale=1.0, frequency=1.7):
    n = torch.Size(shape).numel()
    return scale * torch.sin(frequency * torch.arange(n, dtype=torch.float64)).reshape(shape)


def fill(net):
    """Set the weights by formula, smaller for wider layers, as an initialisation would."""
    for index, parameter in enumerate(net.parameters()):
        fan_in = parameter[0].numel() if parameter.dim() > 1 else 4
        values = wave(*parameter.shape, scale=fan_in**-0.5, frequency=1.7 + 0.1 * index)
        parameter.data.copy_(values)
    return net.eval()


@torch.no_grad()
def unet():
    shapes = Shapes(n_in=3, n_out=3, horizon=8, n_obs_steps=1, frame_dim=5)
    net = fill(Unet(down_dims=(16, 32), kernel_size=3, timestep_dim=8).make(shapes))
    return net(wave(*SHAPE).float(), torch.tensor([0, 70]), wave(2, 5).float())


@torch.no_grad()
def encoder():
    net = fill(ImageEncoder((24, 32), (20, 28), (8, 8), 3))
    return net(wave(2, 3, 24, 32).float())


def denoise(sample, timestep, cond):
    """Stand in for a network."""
    return 0.6 * sample.tanh() + 0.01 * torch.cos(timestep.float())[:, None, None]


def sampler(name, prediction_type):
    draw = drawn_from(torch.Generator().manual_seed(0))
    method = Diffusion(prediction_type=prediction_type)
    *_, last = method.walk(denoise, wave(*SHAPE).float(), torch.zeros(2, 0), name, 7, draw)
    return last


def numbers():
    found = {'unet': unet(), 'encoder': encoder()}
    for name in ('ddim', 'ddpm'):
        for prediction_type in ('epsilon', 'sample'):
            found[f'{name} {prediction_type}'] = sampler(name, prediction_type)
    return found


if __name__ == '__main__':
    values = {name: value.flatten().tolist() for name, value in numbers().items()}
    rounded = {name: [float(f'{v:.7g}') for v in value] for name, value in values.items()}
    FILE.write_text(json.dumps(rounded, indent=1) + '\n')
