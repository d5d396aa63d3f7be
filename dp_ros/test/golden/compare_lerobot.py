# SPDX-License-Identifier: Apache-2.0
"""Import policies of the `lerobot` that is installed, and compare their chunks with its own.

The policies have images and 45 to 190 MB, so that none is stored. In an environment that has
torch, this package and lerobot (0.6 needs Python 3.12; its sources also run on 3.11, after seven
lines of type parameters are rewritten): `python dp_ros/test/golden/compare_lerobot.py [CASE …]`.
It prints a line for each case: the largest difference of an action, and the actions' range.
"""

import itertools
import json
from pathlib import Path
import sys
import tempfile

from dp_ros.policy.engines import make_engine
from dp_ros.policy.importing import lerobot
from dp_ros.policy.importing.source import Names
from dp_ros.policy.policy import Policy
import numpy as np
import torch

N_JOINTS, N_OBS, DRAWS = 3, 2, 3
STEPS = {'DDPM': 100, 'DDIM': 10}
ONE = ['observation.images.front']
TWO = ['observation.images.left.rgb', 'observation.images.right.rgb']
MODES = {'STATE': 'MIN_MAX', 'VISUAL': 'MEAN_STD', 'ACTION': 'MIN_MAX'}
QUANTILES = {'STATE': 'QUANTILES', 'VISUAL': 'MEAN_STD', 'ACTION': 'QUANTILES'}
QUANTILE10 = {'STATE': 'QUANTILE10', 'VISUAL': 'IDENTITY', 'ACTION': 'QUANTILE10'}
MEAN_STD = {'STATE': 'MEAN_STD', 'VISUAL': 'MIN_MAX', 'ACTION': 'MIN_MAX'}
# Size of the images, cameras, modes, and what else differs from the defaults of 0.6.
CASES = {
    'default': ((96, 96), ONE, MODES, {}),
    'two_cameras': ((97, 131), TWO, QUANTILES, {}),
    'crop_84': ((480, 640), ONE, MODES, {'crop_shape': (84, 84)}),
    'odd_crop': ((96, 128), ONE, MODES, {'crop_shape': (85, 91)}),
    'resized': ((120, 161), TWO, MODES, {'resize_shape': (72, 90), 'crop_ratio': 0.9}),
    'enlarged': ((48, 64), ONE, QUANTILE10, {'resize_shape': (96, 128)}),
    'shared_group_50': (
        (96, 96),
        TWO[:1] + ONE,
        MODES,
        {
            'vision_backbone': 'resnet50',
            'use_group_norm': True,
            'use_separate_rgb_encoder_per_camera': False,
        },
    ),
    'batch_50': ((96, 96), ONE, MEAN_STD, {'vision_backbone': 'resnet50'}),
    'group_34': ((96, 96), ONE, MODES, {'vision_backbone': 'resnet34', 'use_group_norm': True}),
}


def make_config(size, cameras, modes, **changes):
    from lerobot.configs.types import FeatureType, NormalizationMode, PolicyFeature
    from lerobot.policies.diffusion.configuration_diffusion import DiffusionConfig

    inputs = {'observation.state': PolicyFeature(FeatureType.STATE, (N_JOINTS,))}
    inputs |= {camera: PolicyFeature(FeatureType.VISUAL, (3, *size)) for camera in cameras}
    defaults = {
        'use_group_norm': False,
        'use_separate_rgb_encoder_per_camera': True,
        'pretrained_backbone_weights': None,
    }
    return DiffusionConfig(
        n_obs_steps=N_OBS,
        horizon=8,
        n_action_steps=7,
        input_features=inputs,
        output_features={'action': PolicyFeature(FeatureType.ACTION, (N_JOINTS,))},
        normalization_mapping={kind: NormalizationMode(mode) for kind, mode in modes.items()},
        device='cpu',
        down_dims=(8, 8, 16),
        n_groups=4,
        kernel_size=3,
        diffusion_step_embed_dim=8,
        **defaults | changes,
    )


def make_stats(cameras, rng):
    """Draw statistics of the joints, and other ones of each camera but for a shared encoder."""
    stats = {}
    for key in ('observation.state', 'action'):
        low, high = (torch.tensor(rng.uniform(*ends, N_JOINTS)) for ends in ((-2, -1), (1, 2)))
        stats[key] = {
            **{'min': low, 'max': high, 'mean': (low + high) / 2, 'std': (high - low) / 4},
            **{'q01': low * 0.9, 'q99': high * 0.9, 'q10': low * 0.7, 'q90': high * 0.7},
        }
    for index, camera in enumerate(cameras):
        values = {
            'mean': [0.485 + 0.05 * index, 0.456, 0.406],
            'std': [0.229, 0.224 + 0.05 * index, 0.225],
            'min': [0.0, 0.0, 0.0],
            'max': [1.0, 1.0, 1.0 - 0.05 * index],
        }
        stats[camera] = {name: torch.tensor(v).reshape(3, 1, 1) for name, v in values.items()}
    return stats


def spread(policy):
    """Give batch norms statistics as if trained; calm the U-Net, which amplifies last digits."""
    with torch.no_grad():
        policy.diffusion.unet.final_conv[1].weight.mul_(0.05)
        for module in policy.modules():
            if isinstance(module, torch.nn.BatchNorm2d):
                module.running_mean.normal_(0, 0.2)
                module.running_var.uniform_(0.5, 2)
                module.weight.uniform_(0.5, 1.2)
                module.bias.normal_(0, 0.2)


def differences(folder, size, cameras, modes, changes):
    """Yield the difference and the range of each chunk, over samplers and draws."""
    from lerobot.policies.diffusion.modeling_diffusion import DiffusionPolicy
    from lerobot.policies.diffusion.processor_diffusion import make_diffusion_pre_post_processors

    rng = np.random.default_rng(len(cameras) + size[0])
    torch.manual_seed(1)
    config = make_config(size, cameras, modes, **changes)
    stored = DiffusionPolicy(config).eval()
    spread(stored)
    stored.save_pretrained(folder)
    before, after = make_diffusion_pre_post_processors(config, make_stats(cameras, rng))
    before.save_pretrained(folder, config_filename='policy_preprocessor.json')
    after.save_pretrained(folder, config_filename='policy_postprocessor.json')
    for kind, name in itertools.product(('epsilon', 'sample'), STEPS):
        sampling = {
            'prediction_type': kind,
            'noise_scheduler_type': name,
            'num_inference_steps': STEPS[name],
        }
        theirs = DiffusionPolicy(make_config(size, cameras, modes, **changes | sampling)).eval()
        theirs.load_state_dict(stored.state_dict())
        file = folder / 'config.json'
        file.write_text(json.dumps(json.loads(file.read_text()) | sampling))
        found = lerobot.load(folder, Names())
        engine = make_engine('torch', found.network, 'cpu', 1)
        ours = Policy(found.network.config, engine, found.network.actions)
        for draw in range(DRAWS):
            state = rng.uniform(-1.5, 1.5, (N_OBS, N_JOINTS)).astype(np.float32)
            shape = (N_OBS, *size, 3)
            images = [rng.integers(0, 256, shape, dtype=np.uint8) for _ in cameras]
            torch.manual_seed(draw)
            with torch.no_grad():
                batch = make_batch(before, state, dict(zip(cameras, images, strict=True)))
                wanted = after(theirs.diffusion.generate_actions(batch))[0].numpy()
            made = ours.infer(
                {
                    'state': state,
                    'images': dict(zip(ours.config.camera_names, images, strict=True)),
                },
                draw,
                sampler=found.sampler,
                num_inference_steps=found.num_inference_steps,
            )
            yield np.abs(made.actions[0] - wanted).max(), np.ptp(wanted)


def make_batch(before, state, images):
    """Normalise a window by LeRobot's processor, frame by frame."""
    frames = [
        before(
            {'observation.state': torch.tensor(state[k])}
            | {
                name: torch.tensor(values[k]).permute(2, 0, 1).float() / 255
                for name, values in images.items()
            }
        )
        for k in range(N_OBS)
    ]
    seen = [torch.stack([frame[name] for frame in frames], dim=1) for name in images]
    states = torch.stack([frame['observation.state'] for frame in frames], dim=1)
    return {'observation.state': states, 'observation.images': torch.stack(seen, dim=2)}


def main():
    """Compare the cases that are named, or all of them."""
    torch.set_num_threads(1)
    # torchvision's kernels are compiled for one torch; naming them is enough to import it.
    library = torch.library.Library('torchvision', 'FRAGMENT')
    for name in ('nms', 'qnms'):
        library.define(f'{name}(Tensor boxes, Tensor scores, float threshold) -> Tensor')
    for name in sys.argv[1:] or CASES:
        with tempfile.TemporaryDirectory() as folder:
            found = np.array(list(differences(Path(folder), *CASES[name])))
        print(f'{name}: {found[:, 0].max():.1e}, range {found[:, 1].max():.2f}', flush=True)


if __name__ == '__main__':
    main()
