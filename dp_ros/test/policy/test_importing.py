# SPDX-License-Identifier: Apache-2.0
"""Imported policies are the same functions as the references, by golden chunks of theirs."""

from importlib.util import find_spec
import json
import re
import shutil

from dp_ros.policy.config import PolicyConfig
from dp_ros.policy.denoisers.unet import Unet
from dp_ros.policy.encoders.resnet import Resnet
from dp_ros.policy.engines import make_engine
from dp_ros.policy.importing import diffusion_policy, lerobot, restricted_pickle
from dp_ros.policy.importing.source import Imported, Names, SourceError, set_bounds
from dp_ros.policy.importing.weights import UNET, rename
from dp_ros.policy.methods.diffusion import Diffusion
from dp_ros.policy.network import PolicyNetwork
from dp_ros.policy.policy import Policy
from dp_ros.task.task import Camera, Task
from golden import renew_importing as golden
import numpy as np
import pytest
from safetensors.torch import load_file, save_file
import torch

CHUNKS = json.loads((golden.FOLDER / 'chunks.json').read_text())
WEIGHTS = load_file(golden.FOLDER / 'lerobot' / 'model.safetensors')
VARIANTS = pytest.mark.parametrize(('kind', 'scheduler'), golden.VARIANTS)
CAMERAS = {'top': (40, 48), 'front': (40, 48)}
MEAN, STD = (0.5, 0.25, 0.75), (0.5, 0.25, 0.125)
STATISTICS = {
    'normalize_inputs.buffer_observation_state.min': torch.tensor([-2.0, -1.0]),
    'normalize_inputs.buffer_observation_state.max': torch.tensor([2.0, 3.0]),
    'unnormalize_outputs.buffer_action.min': golden.LOW,
    'unnormalize_outputs.buffer_action.max': golden.HIGH,
} | {
    f'normalize_inputs.buffer_observation_images_{camera}.{name}': value.reshape(3, 1, 1)
    for camera in CAMERAS
    for name, value in (('mean', torch.tensor(MEAN)), ('std', torch.tensor(STD)))
}
# The children of torchvision's ResNet, and where LeRobot has them.
CHILDREN = {'conv1': 0, 'bn1': 1, 'layer1': 4, 'layer2': 5, 'layer3': 6, 'layer4': 7}


def chunk(found, engine='torch', images=None):
    """Make the chunk as the reference does: its sampler, its steps, the same seed."""
    network = found.network
    policy = Policy(network.config, make_engine(engine, network, 'cpu', 1), network.actions)
    state = golden.observations(len(network.config.observed_names)).numpy()
    made = policy.infer(
        {'state': state, 'images': images or {}},
        golden.SEED,
        sampler=found.sampler,
        num_inference_steps=found.num_inference_steps,
    )
    return made.actions[0]


def ckpt(name, kind='epsilon', scheduler='DDPM'):
    """Read a `.ckpt`, with what else its configuration could say."""
    payload = restricted_pickle.load(golden.FOLDER / f'{name}.ckpt')
    policy = payload['cfg']['policy']
    policy['num_inference_steps'] = golden.STEPS[scheduler]
    policy['noise_scheduler'] = golden.scheduler_settings(kind, scheduler) | {
        '_target_': f'diffusers.{scheduler}Scheduler'
    }
    return payload


@pytest.fixture
def folder(tmp_path):
    """Return a copy of the golden folder, which may become large."""
    shutil.copytree(golden.FOLDER / 'lerobot', tmp_path / 'lerobot')
    yield tmp_path / 'lerobot'
    shutil.rmtree(tmp_path / 'lerobot')


@pytest.fixture
def seeing(folder):
    """Return a folder as LeRobot 0.3 had it, of two cameras, its weights yet without encoder."""
    make_old(folder, STATISTICS)
    features = {'observation.state': {'type': 'STATE', 'shape': [2]}} | {
        f'observation.images.{name}': {'type': 'VISUAL', 'shape': [3, *size]}
        for name, size in CAMERAS.items()
    }
    modes = {'STATE': 'MIN_MAX', 'VISUAL': 'MEAN_STD', 'ACTION': 'MIN_MAX'}
    change(
        folder / 'config.json',
        input_features=features,
        normalization_mapping=modes,
        crop_shape=[36, 44],
        spatial_softmax_num_keypoints=4,
    )
    return folder


def change(file, **values):
    file.write_text(json.dumps(json.loads(file.read_text()) | values))


def make_old(folder, statistics):
    """Put the statistics among the weights."""
    for file in folder.glob('policy_*'):
        file.unlink()
    save_file(WEIGHTS | statistics, folder / 'model.safetensors')


def refused(folder, message):
    with pytest.raises(SourceError, match=re.escape(message)):
        lerobot.load(folder, Names())


def network_that_sees(shared):
    """Make one of ours, with the ranges of STATISTICS."""
    torch.manual_seed(3)
    config = PolicyConfig(
        Task(
            joints=('joint_0', 'joint_1'),
            state_names=('state_0', 'state_1'),
            cameras={name: Camera(size) for name, size in CAMERAS.items()},
            n_obs_steps=golden.N_OBS,
            horizon=golden.HORIZON,
            n_action_steps=golden.HORIZON - golden.N_OBS + 1,
        ),
        state_modes=('min_max', 'min_max'),
        method=Diffusion(num_train_timesteps=100),
        denoiser=Unet(
            down_dims=tuple(golden.UNET_DIMS),
            kernel_size=3,
            n_groups=4,
            timestep_dim=8,
            film_scale=True,
            skips='own',
            out_groups=8,
        ),
        encoder=Resnet(crop_margin=2, n_keypoints=4, shared=shared, mean=MEAN, std=STD),
    )
    network = PolicyNetwork(config).eval()
    for part, name in (
        (network.states, 'normalize_inputs.buffer_observation_state'),
        (network.actions, 'unnormalize_outputs.buffer_action'),
    ):
        set_bounds(part, STATISTICS[f'{name}.min'], STATISTICS[f'{name}.max'])
    return network


def lerobot_names(network):
    """Return the weights of one of our networks under LeRobot's names."""
    prefix = 'diffusion.unet.'
    theirs = [name.removeprefix(prefix) for name in WEIGHTS if name.startswith(prefix)]
    ours = network.denoiser.state_dict()
    tensors = {prefix + name: ours[next(iter(rename({name: 0}, UNET)))] for name in theirs}
    for index, (camera, encoder) in enumerate(network.encoders.items()):
        prefix = f'diffusion.rgb_encoder.{"" if camera == "shared" else f"{index}."}'
        for name, value in encoder.state_dict().items():
            owner, child, *rest = name.split('.')
            if owner == 'backbone':
                name = '.'.join([owner, str(CHILDREN[child]), *rest])
            tensors[prefix + name.replace('keypoints.', 'pool.nets.')] = value
        tensors[f'{prefix}pool.pos_grid'] = torch.zeros(4, 2)
    return tensors


@VARIANTS
@pytest.mark.parametrize('name', ['unet', 'transformer'])
def test_a_ckpt_makes_the_chunk_that_diffusion_policy_makes(name, kind, scheduler):
    found = diffusion_policy.convert(ckpt(name, kind, scheduler), Names())
    wanted = CHUNKS[name][f'{kind} {scheduler}']
    assert np.ptp(wanted) > 0.1
    np.testing.assert_allclose(chunk(found), wanted, rtol=0, atol=1e-5)


@VARIANTS
def test_a_folder_makes_the_chunk_that_lerobot_makes(folder, kind, scheduler):
    change(
        folder / 'config.json',
        prediction_type=kind,
        noise_scheduler_type=scheduler,
        num_inference_steps=golden.STEPS[scheduler] if scheduler == 'DDIM' else None,
    )
    wanted = CHUNKS['lerobot'][f'{kind} {scheduler}']
    assert np.ptp(wanted) > 0.1
    np.testing.assert_allclose(chunk(lerobot.load(folder, Names())), wanted, rtol=0, atol=1e-5)


@pytest.mark.skipif(find_spec('openvino') is None, reason='needs OpenVINO')
def test_the_chunk_is_the_same_from_openvino():
    found = diffusion_policy.convert(ckpt('unet', scheduler='DDIM'), Names())
    wanted = CHUNKS['unet']['epsilon DDIM']
    np.testing.assert_allclose(chunk(found, 'openvino'), wanted, rtol=0, atol=1e-4)


def test_normalisers_among_the_weights(folder):
    low, high = golden.ranges(2)
    make_old(
        folder,
        {
            'normalize_inputs.buffer_observation_state.min': low,
            'normalize_inputs.buffer_observation_state.max': high + torch.tensor([0.0, 1.0]),
            'normalize_inputs.buffer_observation_environment_state.mean': torch.arange(3.0),
            'normalize_inputs.buffer_observation_environment_state.std': torch.ones(3) * 1.5,
            'normalize_targets.buffer_action.min': torch.zeros(2),
            'normalize_targets.buffer_action.max': torch.ones(2),
            'unnormalize_outputs.buffer_action.min': golden.LOW,
            'unnormalize_outputs.buffer_action.max': golden.HIGH,
        },
    )
    wanted = CHUNKS['lerobot']['epsilon DDPM']
    np.testing.assert_allclose(chunk(lerobot.load(folder, Names())), wanted, rtol=0, atol=1e-5)


def test_no_normalisers_at_all(folder):
    make_old(folder, {})
    refused(folder, 'action.min: no such statistic')


def test_each_processor_normalises_its_own(folder):
    wanted = lerobot.load(folder, Names()).network
    for file, name in (('pre', 'action'), ('post', 'observation.state')):
        other = next(folder.glob(f'policy_{file}processor_*.safetensors'))
        save_file(load_file(other) | {f'{name}.min': torch.full((2,), -9.0)}, other)
    found = lerobot.load(folder, Names()).network
    assert torch.equal(found.actions.low, wanted.actions.low)
    assert torch.equal(found.states.low, wanted.states.low)


@pytest.mark.parametrize('shared', [True, False])
def test_policies_that_see(seeing, shared):
    network = network_that_sees(shared)
    save_file(lerobot_names(network) | STATISTICS, seeing / 'model.safetensors')
    change(
        seeing / 'config.json',
        use_separate_rgb_encoder_per_camera=not shared,
        noise_scheduler_type='DDIM',
        num_inference_steps=10,
    )
    found = lerobot.load(seeing, Names())
    assert found.network.config == network.config
    rng = np.random.default_rng(0)
    images = {
        name: rng.integers(0, 256, (2, *size, 3), dtype=np.uint8) for name, size in CAMERAS.items()
    }
    wanted = chunk(Imported(network, 'ddim', 10), images=images)
    np.testing.assert_allclose(chunk(found, images=images), wanted, rtol=0, atol=1e-6)
    swapped = {'top': images['front'], 'front': images['top']}
    assert np.abs(chunk(found, images=swapped) - wanted).max() > 1e-4


@pytest.mark.parametrize(
    ('key', 'value', 'message'),
    [
        ('vision_backbone', 'vit', "vision_backbone = 'vit'"),
        ('crop_shape', [44, 52], 'larger than the images'),
        ('crop_shape', [16, 24], 'less than 33 px'),
        ('spatial_softmax_num_keypoints', None, 'spatial_softmax_num_keypoints = None'),
    ],
)
def test_encoders_that_cannot_be_represented(seeing, key, value, message):
    change(seeing / 'config.json', **{key: value})
    refused(seeing, message)


@pytest.mark.parametrize(
    ('mode', 'ends'), [('QUANTILES', ('q01', 'q99')), ('QUANTILE10', ('q10', 'q90'))]
)
def test_quantiles_are_mapped_to_the_same_ends(folder, mode, ends):
    wanted = CHUNKS['lerobot']['epsilon DDPM']
    for file in folder.glob('policy_p*processor.json'):
        steps = json.loads(file.read_text())['steps']
        for step in steps:
            modes = step['config'].get('norm_map', {})
            modes |= {kind: mode for kind in ('STATE', 'ACTION') if kind in modes}
        change(file, steps=steps)
    for file in folder.glob('policy_*.safetensors'):
        renamed = dict(zip(('min', 'max'), ends, strict=True))
        values = {
            f'{name.rpartition(".")[0]}.{renamed.get(name.rpartition(".")[2], "mean")}': value
            for name, value in load_file(file).items()
            if 'environment' not in name
        }
        held = {n: v for n, v in load_file(file).items() if 'environment' in n}
        save_file(values | held, file)
    found = lerobot.load(folder, Names())
    assert found.network.config.action_modes[0].startswith('quantiles')
    np.testing.assert_allclose(chunk(found), wanted, rtol=0, atol=1e-5)


@pytest.mark.parametrize('mode', ['MIN_MAX', 'MEAN_STD'])
def test_an_action_that_never_changed_keeps_its_value(folder, mode):
    """What the network says of it is -1 or 0, where LeRobot has mapped it in training."""
    value = 0.7
    for file in folder.glob('policy_postprocessor.json'):
        steps = json.loads(file.read_text())['steps']
        steps[0]['config']['norm_map']['ACTION'] = mode
        change(file, steps=steps)
    change(folder / 'config.json', clip_sample=False)
    for file in folder.glob('policy_postprocessor*.safetensors'):
        constant = {'min': value, 'max': value, 'mean': value, 'std': 0.0}
        save_file({f'action.{name}': torch.full((2,), v) for name, v in constant.items()}, file)
    actions = lerobot.load(folder, Names()).network.actions
    said = torch.full((1, 2), -1.0 if mode == 'MIN_MAX' else 0.0)
    np.testing.assert_allclose(actions.inverse(said), value, rtol=0, atol=1e-6)
    np.testing.assert_allclose(actions.inverse(said + 0.1), value, rtol=0, atol=1e-5)


def test_a_step_of_a_processor_that_is_unknown(folder):
    file = folder / 'policy_preprocessor.json'
    steps = json.loads(file.read_text())['steps']
    change(file, steps=[*steps, {'registry_name': 'delta_action_processor'}])
    refused(folder, 'step delta_action_processor cannot be represented')
    change(file, steps=steps[:-1])
    refused(folder, 'has no step normalizer_processor')
