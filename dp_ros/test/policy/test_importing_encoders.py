# SPDX-License-Identifier: Apache-2.0
"""LeRobot's image encoders, imported: the same features as by its formulas, written out here.

`theirs` works on LeRobot's own weights by functions of torch alone, in its order: normalise,
resize, crop, torchvision's ResNet, keypoints, one layer.
"""

from importlib.util import find_spec
import json
import math
import re
import shutil

from dp_ros.policy.encoders.resnet import Resnet
from dp_ros.policy.encoders.torchvision_resnet import Resize, TorchvisionResnet
from dp_ros.policy.engines import make_engine
from dp_ros.policy.importing import diffusion_policy, lerobot
from dp_ros.policy.importing.source import Names, SourceError
from dp_ros.policy.policy import Policy
from golden import renew_importing as golden
import numpy as np
import pytest
from safetensors.torch import load_file, save_file
import torch
from torch.nn import functional

WEIGHTS = load_file(golden.FOLDER / 'lerobot' / 'model.safetensors')
KEYPOINTS = 4
BLOCKS = {18: (2, 2, 2, 2), 50: (3, 4, 6, 3)}
MEANS = [[0.5, 0.25, 0.75], [0.4, 0.3, 0.2]]
DEVIATIONS = [[0.5, 0.25, 0.125], [0.2, 0.3, 0.4]]


def make_weights(depth, batch_norm, seed):
    """Draw the weights of one encoder under LeRobot's names."""
    rng = torch.Generator().manual_seed(seed)
    weights = {}

    def draw(name, *shape, scale=1.0):
        weights[name] = scale * torch.randn(shape, generator=rng)

    def convolution(name, n_in, n_out, size):
        draw(f'{name}.weight', n_out, n_in, size, size, scale=math.sqrt(2 / (n_in * size**2)))

    def norm(name, channels, mean=0.8):
        draw(f'{name}.weight', channels, scale=mean / 4)
        weights[f'{name}.weight'] += mean
        draw(f'{name}.bias', channels, scale=0.1)
        if batch_norm:
            draw(f'{name}.running_mean', channels, scale=0.1)
            weights[f'{name}.running_var'] = 0.5 + torch.rand(channels, generator=rng)
            weights[f'{name}.num_batches_tracked'] = torch.tensor(7)

    convolution('backbone.0', 3, 64, 7)
    norm('backbone.1', 64)
    n_in = 64
    for stage, count in enumerate(BLOCKS[depth]):
        width = 64 * 2**stage
        n_out = 4 * width if depth == 50 else width
        for block in range(count):
            name = f'backbone.{4 + stage}.{block}'
            sizes = (1, 3, 1) if depth == 50 else (3, 3)
            ends = [n_in, *[width] * (len(sizes) - 1), n_out]
            for index, size in enumerate(sizes):
                convolution(f'{name}.conv{index + 1}', ends[index], ends[index + 1], size)
                # A small last norm keeps a deep network from amplifying the last digits.
                norm(f'{name}.bn{index + 1}', ends[index + 1], 0.8 if index == 0 else 0.3)
            if block == 0 and (stage > 0 or n_in != n_out):
                convolution(f'{name}.downsample.0', n_in, n_out, 1)
                norm(f'{name}.downsample.1', n_out)
            n_in = n_out
    draw('pool.nets.weight', KEYPOINTS, n_in, 1, 1, scale=0.1)
    draw('pool.nets.bias', KEYPOINTS)
    draw('out.weight', 2 * KEYPOINTS, 2 * KEYPOINTS)
    draw('out.bias', 2 * KEYPOINTS)
    weights['pool.pos_grid'] = torch.zeros(4, 2)
    return weights


def theirs(weights, images, mean, deviation, resize=None, crop=None, averaged=False):
    """Return the features (B, 2·K) of images (B, H, W, 3) uint8."""
    x = torch.from_numpy(images).permute(0, 3, 1, 2).float() / 255
    x = (x - torch.tensor(mean)[:, None, None]) / torch.tensor(deviation)[:, None, None]
    if resize:
        x = functional.interpolate(x, resize, mode='bilinear', antialias=True)
    if crop:
        top, left = (
            round((have - want) / 2) for have, want in zip(x.shape[2:], crop, strict=True)
        )
        x = x[:, :, top : top + crop[0], left : left + crop[1]]

    def norm(name, x):
        scale, bias = weights[f'{name}.weight'], weights[f'{name}.bias']
        if f'{name}.running_mean' not in weights:
            return functional.group_norm(x, len(scale) // 16, scale, bias)
        held = (weights[f'{name}.running_mean'], weights[f'{name}.running_var'])
        mean, variance = (value[:, None, None] for value in held)
        x = (x - mean) / (variance + 1e-5).sqrt()
        return x * scale[:, None, None] + bias[:, None, None]

    x = functional.conv2d(x, weights['backbone.0.weight'], stride=2, padding=3)
    x = functional.max_pool2d(norm('backbone.1', x).relu(), 3, 2, 1)
    deep = 'backbone.4.0.conv3.weight' in weights
    for stage in range(4, 8):
        for block in range(BLOCKS[50 if deep else 18][stage - 4]):
            name = f'backbone.{stage}.{block}'
            stride = 2 if stage > 4 and block == 0 else 1
            paddings, inner = (0, 1, 0) if deep else (1, 1), x
            strided = 2 if deep else 1
            for index, padding in enumerate(paddings, start=1):
                inner = functional.conv2d(
                    inner,
                    weights[f'{name}.conv{index}.weight'],
                    stride=stride if index == strided else 1,
                    padding=padding,
                )
                inner = norm(f'{name}.bn{index}', inner)
                inner = inner.relu() if index < len(paddings) else inner
            around = weights.get(f'{name}.downsample.0.weight')
            if around is not None:
                x = norm(f'{name}.downsample.1', functional.conv2d(x, around, stride=stride))
            x = (inner + x).relu()
    if averaged:
        return x.mean(dim=(2, 3))
    maps = functional.conv2d(x, weights['pool.nets.weight'], weights['pool.nets.bias'])
    shares = maps.flatten(2).softmax(dim=-1)
    columns, rows = np.meshgrid(*(np.linspace(-1, 1, side) for side in (x.shape[3], x.shape[2])))
    grid = torch.tensor(np.stack([columns.ravel(), rows.ravel()], axis=1)).float()
    points = (shares @ grid).flatten(1)
    return functional.linear(points, weights['out.weight'], weights['out.bias']).relu()


@pytest.fixture
def make(tmp_path):
    """Make a folder as LeRobot 0.6 writes it; return it and its encoders' weights."""

    def call(size, keys=('observation.images.front',), depth=18, batch_norm=True, **changes):
        folder = tmp_path / 'lerobot'
        shutil.copytree(golden.FOLDER / 'lerobot', folder)
        prefix = 'diffusion.unet.'
        held = {name: value for name, value in WEIGHTS.items() if name.startswith(prefix)}
        n_cond = golden.N_OBS * (2 + len(keys) * 2 * KEYPOINTS)
        for name, value in held.items():
            if 'cond_encoder.1.weight' in name:
                rng = torch.Generator().manual_seed(len(name))
                held[name] = 0.05 * torch.randn(len(value), 8 + n_cond, generator=rng)
        encoders = [make_weights(depth, batch_norm, seed) for seed in range(len(keys))]
        for index, weights in enumerate(encoders):
            held |= {f'diffusion.rgb_encoder.{index}.{name}': w for name, w in weights.items()}
        save_file(held, folder / 'model.safetensors')
        features = {'observation.state': {'type': 'STATE', 'shape': [2]}} | {
            key: {'type': 'VISUAL', 'shape': [3, *size]} for key in keys
        }
        modes = {'STATE': 'MIN_MAX', 'VISUAL': 'MEAN_STD', 'ACTION': 'MIN_MAX'}
        change(
            folder / 'config.json',
            input_features=features,
            normalization_mapping=modes,
            vision_backbone=f'resnet{depth}',
            pretrained_backbone_weights='ResNet18_Weights.IMAGENET1K_V1',
            pretrained_revision=None,
            gradient_checkpointing=True,
            spatial_softmax_num_keypoints=KEYPOINTS,
            use_group_norm=not batch_norm,
            use_separate_rgb_encoder_per_camera=True,
            **{'crop_shape': None, 'resize_shape': None, 'crop_ratio': 1.0} | changes,
        )
        file = folder / 'policy_preprocessor.json'
        steps = json.loads(file.read_text())['steps']
        for step in steps:
            if step['registry_name'] == 'normalizer_processor':
                step['config']['norm_map'] = modes
        steps.append({'registry_name': 'relative_actions_processor', 'config': {'enabled': False}})
        change(file, steps=steps)
        stats = next(folder.glob('policy_preprocessor_*.safetensors'))
        values = load_file(stats)
        for key, mean, deviation in zip(keys, MEANS, DEVIATIONS, strict=False):
            values[f'{key}.mean'] = torch.tensor(mean).reshape(3, 1, 1)
            values[f'{key}.std'] = torch.tensor(deviation).reshape(3, 1, 1)
        save_file(values, stats)
        return folder, encoders

    return call


def change(file, **values):
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def pictures(size, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (2, *size, 3), dtype=np.uint8)


def ours(network, images):
    """Return the features of images (To, H, W, 3) by camera, (To, 2·K) each."""
    tensors = {name: torch.from_numpy(v).permute(0, 3, 1, 2)[None] for name, v in images.items()}
    with torch.no_grad():
        cond = network.condition(torch.zeros(1, 2, 2), tensors).unflatten(1, (2, -1))[0]
    return cond[:, 2:].split(2 * KEYPOINTS, dim=1)


CASES = {
    'as by default in 0.6': ((64, 64), {}, {}),
    '84 by 84 of 160 by 213': ((160, 213), {'crop_shape': [84, 84]}, {'crop': (84, 84)}),
    'by an odd number of pixels': ((47, 50), {'crop_shape': [40, 43]}, {'crop': (40, 43)}),
    'resized, a share of it': (
        (90, 121),
        {'resize_shape': [60, 72], 'crop_ratio': 0.9},
        {'resize': (60, 72), 'crop': (54, 64)},
    ),
    'enlarged': ((30, 40), {'resize_shape': [64, 96]}, {'resize': (64, 96)}),
    'group norm, wide': (
        (48, 64),
        {'crop_shape': [40, 64], 'use_group_norm': True},
        {'crop': (40, 64)},
    ),
}


@pytest.mark.parametrize('name', CASES)
def test_one_camera(make, name):
    size, changes, told = CASES[name]
    grouped = changes.get('use_group_norm', False)
    changes = {key: value for key, value in changes.items() if key != 'use_group_norm'}
    folder, (weights,) = make(size, batch_norm=not grouped, **changes)
    network = lerobot.load(folder, Names()).network
    assert isinstance(network.config.encoder, TorchvisionResnet)
    images = pictures(size)
    wanted = theirs(weights, images, MEANS[0], DEVIATIONS[0], **told)
    (found,) = ours(network, {'front': images})
    assert wanted.std() > 0.1
    torch.testing.assert_close(found, wanted, rtol=2e-5, atol=2e-5)


def test_two_cameras_with_statistics_and_names_of_their_own(make):
    keys = ('observation.images.left.rgb', 'observation.images.right.rgb')
    folder, weights = make((48, 64), keys)
    found = lerobot.load(folder, Names())
    names = ('left_rgb', 'right_rgb')
    assert found.network.config.camera_names == names
    assert {'gradient_checkpointing', 'pretrained_backbone_weights'} <= set(found.unused)
    images = {name: pictures((48, 64), seed) for seed, name in enumerate(names)}
    for index, features in enumerate(ours(found.network, images)):
        wanted = theirs(weights[index], images[names[index]], MEANS[index], DEVIATIONS[index])
        torch.testing.assert_close(features, wanted, rtol=2e-5, atol=2e-5)


def test_resnet50(make):
    folder, (weights,) = make((64, 64), depth=50)
    images = pictures((64, 64))
    (found,) = ours(lerobot.load(folder, Names()).network, {'front': images})
    wanted = theirs(weights, images, MEANS[0], DEVIATIONS[0])
    torch.testing.assert_close(found, wanted, rtol=2e-5, atol=2e-5)


def test_images_without_statistics_are_left_as_they_are(make):
    folder, (weights,) = make((64, 64))
    file = next(folder.glob('policy_preprocessor_*.safetensors'))
    kept = {
        name: v for name, v in load_file(file).items() if not name.startswith('observation.im')
    }
    save_file(kept, file)
    images = pictures((64, 64))
    (found,) = ours(lerobot.load(folder, Names()).network, {'front': images})
    wanted = theirs(weights, images, [0.0] * 3, [1.0] * 3)
    torch.testing.assert_close(found, wanted, rtol=2e-5, atol=2e-5)


def test_group_norm_with_an_even_crop_stays_the_resnet_that_it_was(make):
    folder, _ = make((48, 64), batch_norm=False, crop_shape=[44, 60])
    encoder = lerobot.load(folder, Names()).network.config.encoder
    assert isinstance(encoder, Resnet) and encoder.crop_margin == 2


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'vision_backbone': 'resnext50_32x4d'}, "vision_backbone = 'resnext50_32x4d'"),
        ({'crop_shape': [80, 40]}, 'crop_size = (80, 40): larger than the images'),
        ({'crop_shape': [32, 32]}, 'less than 33 px'),
        ({'crop_shape': 84}, 'crop_shape = 84: needs a height and a width'),
        ({'crop_ratio': 1.5}, 'crop_ratio = 1.5'),
        ({'resize_shape': [64]}, 'resize_shape = [64]: needs a height and a width'),
        ({'resize_shape': [64, 0]}, 'resize = (64, 0)'),
    ],
)
def test_encoders_that_cannot_be_represented(make, changes, message):
    folder, _ = make((48, 64))
    change(folder / 'config.json', **changes)
    with pytest.raises(SourceError, match=re.escape(message)):
        lerobot.load(folder, Names())


def test_a_step_that_is_switched_on(make):
    folder, _ = make((48, 64))
    file = folder / 'policy_preprocessor.json'
    steps = json.loads(file.read_text())['steps']
    steps[-1]['config']['enabled'] = True
    change(file, steps=steps)
    with pytest.raises(SourceError, match='enabled = True'):
        lerobot.load(folder, Names())


@pytest.mark.skipif(find_spec('openvino') is None, reason='needs OpenVINO')
def test_openvino_gives_the_same_chunk(make):
    folder, _ = make((90, 121), resize_shape=[60, 72], crop_ratio=0.9)
    found = lerobot.load(folder, Names())
    network, chunks = found.network, []
    for engine in ('torch', 'openvino'):
        policy = Policy(network.config, make_engine(engine, network, 'cpu', 1), network.actions)
        seen = {'state': np.zeros((2, 2)), 'images': {'front': pictures((90, 121))}}
        chunks.append(policy.infer(seen, 7, sampler='ddim').actions)
    np.testing.assert_allclose(*chunks, rtol=0, atol=1e-4)


@pytest.mark.parametrize('wanted', [(20, 31), (64, 33), (30, 40), (97, 40)])
def test_resizing_is_that_of_torch(wanted):
    images = torch.rand(2, 3, 53, 40)
    expected = functional.interpolate(images, wanted, mode='bilinear', antialias=True)
    torch.testing.assert_close(Resize((53, 40), wanted)(images), expected, rtol=0, atol=1e-5)


def test_the_encoder_trains_with_random_crops_and_fixed_statistics(make):
    folder, _ = make((48, 64), crop_shape=[40, 44])
    network = lerobot.load(folder, Names()).network.train()
    before = {name: value.clone() for name, value in network.named_buffers()}
    images = {'front': torch.from_numpy(pictures((48, 64))).permute(0, 3, 1, 2)[None]}
    torch.manual_seed(0)
    seen = [network.condition(torch.zeros(1, 2, 2), images, augment=True) for _ in range(2)]
    assert not torch.equal(*seen)
    seen[0].sum().backward()
    assert network.encoders['front'].backbone.conv1.weight.grad.abs().sum() > 0
    assert all(torch.equal(before[name], value) for name, value in network.named_buffers())


def test_its_settings_are_checked():
    with pytest.raises(ValueError, match='crop_margin = 2: needs 0 beside crop_size'):
        TorchvisionResnet(crop_margin=2, crop_size=(40, 40))


def hybrid(folder, weights, states_first, **changes):
    """Return a `.ckpt` of Diffusion Policy's hybrid image policy: that of a LeRobot folder."""
    held = load_file(folder / 'model.safetensors')
    file = next(folder.glob('policy_preprocessor_*.safetensors'))
    stats = load_file(file) | load_file(next(folder.glob('policy_postprocessor_*.safetensors')))
    tensors = {f'model.{n[15:]}': v for n, v in held.items() if n.startswith('diffusion.unet.')}
    n_frame = 2 + 2 * KEYPOINTS
    for name, value in tensors.items():
        if 'cond_encoder.1.weight' in name and not states_first:
            frames = value[:, 8:].unflatten(1, (golden.N_OBS, n_frame))
            tensors[name] = torch.cat([value[:, :8], frames.roll(-2, dims=2).flatten(1)], dim=1)
    moved = {'backbone.': 'nets.0.nets.', 'pool.nets.': 'nets.1.nets.', 'out.': 'nets.3.'}
    for name, value in weights.items():
        for old, new in moved.items():
            if name.startswith(old):
                tensors[f'obs_encoder.obs_nets.image.{new}{name.removeprefix(old)}'] = value
    for name, value in list(tensors.items()):  # robomimic's module holds these twice.
        if '.image.nets.0.' in name:
            tensors[name.replace('.image.nets.0.', '.image.backbone.')] = value
    for name in ('pos_x', 'pos_y', 'temperature'):
        tensors[f'obs_encoder.obs_nets.image.nets.1.{name}'] = torch.ones(1)
    ranges = {
        key: (stats[f'{theirs}.min'], stats[f'{theirs}.max'])
        for key, theirs in (('agent_pos', 'observation.state'), ('action', 'action'))
    }
    mean, deviation = torch.tensor(MEANS[0]), torch.tensor(DEVIATIONS[0])
    ranges['image'] = (mean - deviation, mean + deviation)
    for key, (low, high) in ranges.items():
        scale = 2 / (high - low)
        tensors[f'normalizer.params_dict.{key}.scale'] = scale
        tensors[f'normalizer.params_dict.{key}.offset'] = -1 - low * scale
    image = {'shape': [3, 48, 64], 'type': 'rgb'}
    state = {'shape': [2], 'type': 'low_dim'}
    keys = ('agent_pos', 'image') if states_first else ('image', 'agent_pos')
    module = 'diffusion_policy.policy.diffusion_unet_hybrid_image_policy'
    policy = {
        '_target_': f'{module}.DiffusionUnetHybridImagePolicy',
        'shape_meta': {
            'obs': {key: {'image': image, 'agent_pos': state}[key] for key in keys},
            'action': {'shape': [2]},
        },
        'noise_scheduler': golden.scheduler_settings('epsilon', 'DDPM')
        | {'_target_': 'diffusers.DDPMScheduler'},
        'horizon': golden.HORIZON,
        'n_action_steps': 4,
        'n_obs_steps': golden.N_OBS,
        'num_inference_steps': 100,
        'obs_as_global_cond': True,
        'crop_shape': [40, 44],
        'down_dims': golden.UNET_DIMS,
        'kernel_size': 3,
        'n_groups': 4,
        'diffusion_step_embed_dim': 8,
        'cond_predict_scale': True,
        'obs_encoder_group_norm': False,
        'eval_fixed_crop': True,
    } | changes
    cfg = {'policy': policy, 'training': {'use_ema': True}}
    return {'cfg': cfg, 'state_dicts': {'ema_model': tensors}}


def sampled(found, images):
    policy = Policy(
        found.network.config,
        make_engine('torch', found.network, 'cpu', 1),
        found.network.actions,
    )
    (camera,) = found.network.config.camera_names
    seen = {'state': golden.observations(2).numpy(), 'images': {camera: images}}
    return policy.infer(seen, 7, sampler='ddim', num_inference_steps=10).actions


@pytest.mark.parametrize('states_first', [False, True])
def test_the_hybrid_image_policy_of_diffusion_policy(make, states_first):
    """The same weights as of a LeRobot policy, whose order of the conditioning is another."""
    folder, (weights,) = make((48, 64), crop_shape=[40, 44])
    payload = hybrid(folder, weights, states_first)
    found = diffusion_policy.convert(payload, Names())
    images = pictures((48, 64))
    wanted = theirs(weights, images, MEANS[0], DEVIATIONS[0], crop=(40, 44))
    (features,) = ours(found.network, {'image': images})
    torch.testing.assert_close(features, wanted, rtol=2e-5, atol=2e-5)
    made = [sampled(each, images) for each in (found, lerobot.load(folder, Names()))]
    np.testing.assert_allclose(*made, rtol=0, atol=1e-5)
    other = sampled(found, pictures((48, 64), 5))
    assert np.abs(other - made[0]).max() > 1e-4


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'eval_fixed_crop': False}, 'eval_fixed_crop = False'),
        ({'crop_shape': [40]}, 'crop_shape = [40]: needs a height'),
        ({'obs_as_global_cond': False}, 'obs_as_global_cond = False'),
        ({'shape_meta': {'obs': {}}}, 'shape_meta.action: missing'),
    ],
)
def test_hybrid_policies_that_cannot_be_represented(make, changes, message):
    folder, (weights,) = make((48, 64))
    payload = hybrid(folder, weights, states_first=True, **changes)
    with pytest.raises(SourceError, match=re.escape(message)):
        diffusion_policy.convert(payload, Names())


def multi_image(folder, weights, shared, **changes):
    """Return a `.ckpt` of an image policy with two cameras and two states."""
    payload = hybrid(folder, weights[0], states_first=True)
    policy, tensors = payload['cfg']['policy'], payload['state_dicts']['ema_model']
    image = {'shape': [3, 48, 64], 'type': 'rgb'}
    policy['shape_meta']['obs'] = {
        'wrist': image,
        'b_pos': {'shape': [2]},
        'front': image,
        'a_pos': {'shape': [1]},
    }
    module = 'diffusion_policy.policy.diffusion_unet_image_policy'
    policy['_target_'] = f'{module}.DiffusionUnetImagePolicy'
    for key in ('crop_shape', 'obs_encoder_group_norm', 'eval_fixed_crop'):
        del policy[key]
    policy['obs_encoder'] = {
        '_target_': 'diffusion_policy.model.vision.multi_image_obs_encoder.MultiImageObsEncoder',
        'shape_meta': policy['shape_meta'],
        'rgb_model': {
            '_target_': 'diffusion_policy.model.vision.model_getter.get_resnet',
            'name': 'resnet18',
            'weights': None,
        },
        'resize_shape': None,
        'crop_shape': [40, 43],
        'random_crop': True,
        'use_group_norm': False,
        'share_rgb_model': shared,
        'imagenet_norm': True,
    } | changes
    for name in [name for name in tensors if name.startswith('obs_encoder.')]:
        del tensors[name]
    names = {'0': 'conv1', '1': 'bn1', '4': 'layer1', '5': 'layer2', '6': 'layer3', '7': 'layer4'}
    for camera, held in zip(('rgb',) if shared else ('front', 'wrist'), weights, strict=False):
        for name, value in held.items():
            owner, index, *rest = name.split('.')
            if owner == 'backbone':
                child = '.'.join([names[index], *rest])
                tensors[f'obs_encoder.key_model_map.{camera}.{child}'] = value
    for name, value in tensors.items():
        if 'cond_encoder.1.weight' in name:
            n_cond = golden.N_OBS * (2 * 512 + 3)
            columns = torch.arange(8 + n_cond).float()
            tensors[name] = columns.repeat(len(value), 1) * 1e-4
    for key, size in (('front', 1), ('wrist', 1), ('a_pos', 1), ('b_pos', 2)):
        tensors[f'normalizer.params_dict.{key}.scale'] = torch.full((size,), 2.0)
        tensors[f'normalizer.params_dict.{key}.offset'] = torch.full((size,), -1.0)
    return payload


@pytest.mark.parametrize('shared', [False, True])
def test_the_image_policy_of_diffusion_policy(make, shared):
    folder, weights = make((48, 64), ('observation.images.a', 'observation.images.b'))
    network = diffusion_policy.convert(multi_image(folder, weights, shared), Names()).network
    images = {name: pictures((48, 64), seed) for seed, name in enumerate(('wrist', 'front'))}
    tensors = {name: torch.from_numpy(v).permute(0, 3, 1, 2)[None] for name, v in images.items()}
    with torch.no_grad():
        cond = network.condition(torch.zeros(1, 2, 3), tensors).unflatten(1, (2, -1))[0]
    # 2 x - 1, and then ImageNet's values off.
    mean = [(m + 1) / 2 for m in (0.485, 0.456, 0.406)]
    deviation = [s / 2 for s in (0.229, 0.224, 0.225)]
    for camera, features in zip(('wrist', 'front'), cond[:, 3:].split(512, dim=1), strict=True):
        held = weights[0] if shared or camera == 'front' else weights[1]
        wanted = theirs(held, images[camera], mean, deviation, crop=(40, 43), averaged=True)
        torch.testing.assert_close(features, wanted, rtol=2e-5, atol=2e-5)
    film = network.denoiser.state_dict()['middle.first.film.1.weight'][0] * 1e4
    frame = [*(1025, 1026), 1024, *range(512, 1024), *range(512)]  # b_pos, a_pos, wrist, front
    expected = [*range(8), *(8 + k * 1027 + column for k in range(2) for column in frame)]
    np.testing.assert_allclose(film, expected, rtol=1e-5)


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'resize_shape': [32, 32]}, 'resize_shape = [32, 32]'),
        ({'random_crop': False}, 'random_crop = False'),
        ({'rgb_model': {'name': 'vit'}}, "name = 'vit'"),
        ({'pos_enc': True}, "unknown settings ['pos_enc']"),
    ],
)
def test_image_policies_that_cannot_be_represented(make, changes, message):
    folder, weights = make((48, 64))
    with pytest.raises(SourceError, match=re.escape(message)):
        diffusion_policy.convert(multi_image(folder, weights, False, **changes), Names())
