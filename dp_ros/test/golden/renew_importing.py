# SPDX-License-Identifier: Apache-2.0
"""Tiny checkpoints of LeRobot and of Diffusion Policy's code, and the chunks these make of them.

Neither is a dependency. With their sources at hand, in an environment of its own that has torch,
diffusers, safetensors and this package's test folder: `pip install --no-deps --target DIR
lerobot==0.4.4 draccus==0.10.0 mergedeep typing_inspect mypy_extensions pyyaml-include toml
torchvision einops datasets multiprocess pandas pyarrow xxhash imageio pyserial deepdiff
orderly-set cachebox omegaconf==2.2.3 antlr4-python3-runtime==4.9.3 dill zarr numcodecs`, then
`PYTHONPATH=DIR:DIFFUSION_POLICY:$PYTHONPATH python dp_ros/test/golden/renew_importing.py`.
"""

import json
from pathlib import Path

import torch

FOLDER = Path(__file__).with_name('importing')
VARIANTS = [(kind, name) for kind in ('epsilon', 'sample') for name in ('DDPM', 'DDIM')]
STEPS = {'DDPM': 100, 'DDIM': 10}
SEED = 7
N_JOINTS, N_STATES, N_OBS, HORIZON = 2, 5, 2, 8
UNET_DIMS = [8, 8, 16]
LOW, HIGH = torch.tensor([-1.5, 0.2]), torch.tensor([0.5, 0.9])


def observations(n_values):
    """Make a window (To, n) of what was seen."""
    return torch.sin(torch.arange(N_OBS * n_values) * 1.3).reshape(N_OBS, n_values)


def ranges(n_values):
    """Make the ends of the states' ranges; the last one does not change."""
    low = -1.2 - 0.1 * torch.arange(n_values)
    high = 1.4 + 0.2 * torch.arange(n_values)
    low[-1] = high[-1] = observations(n_values)[0, -1]
    return low, high


def calm(module):
    """Make small what a U-Net says, so that sampling does not amplify the last digits."""
    with torch.no_grad():
        module.final_conv[1].weight.mul_(0.05)


def lerobot_config(**changes):
    from lerobot.configs.types import FeatureType, PolicyFeature
    from lerobot.policies.diffusion.configuration_diffusion import DiffusionConfig

    inputs = {
        'observation.state': PolicyFeature(FeatureType.STATE, (2,)),
        'observation.environment_state': PolicyFeature(FeatureType.ENV, (3,)),
    }
    return DiffusionConfig(
        n_obs_steps=N_OBS,
        horizon=HORIZON,
        n_action_steps=HORIZON - N_OBS + 1,
        input_features=inputs,
        output_features={'action': PolicyFeature(FeatureType.ACTION, (N_JOINTS,))},
        normalization_mapping={'STATE': 'MIN_MAX', 'ENV': 'MEAN_STD', 'ACTION': 'MIN_MAX'},
        device='cpu',
        down_dims=tuple(UNET_DIMS),
        n_groups=4,
        kernel_size=3,
        diffusion_step_embed_dim=8,
        **changes,
    )


def lerobot_stats():
    low, high = ranges(2)
    high[-1] += 1
    return {
        'observation.state': {'min': low, 'max': high},
        'observation.environment_state': {'mean': torch.arange(3.0), 'std': torch.ones(3) * 1.5},
        'action': {'min': LOW, 'max': HIGH},
    }


def lerobot():
    """Store a state-only policy, and return the chunk of each variant."""
    from lerobot.configs.types import NormalizationMode
    from lerobot.policies.diffusion.modeling_diffusion import DiffusionPolicy
    from lerobot.policies.diffusion.processor_diffusion import make_diffusion_pre_post_processors

    torch.manual_seed(0)
    stored = DiffusionPolicy(lerobot_config())
    calm(stored.diffusion.unet)
    stored.config.normalization_mapping = {
        kind: NormalizationMode(mode) for kind, mode in stored.config.normalization_mapping.items()
    }
    stored.save_pretrained(FOLDER / 'lerobot')
    before, after = make_diffusion_pre_post_processors(stored.config, lerobot_stats())
    before.save_pretrained(FOLDER / 'lerobot', config_filename='policy_preprocessor.json')
    after.save_pretrained(FOLDER / 'lerobot', config_filename='policy_postprocessor.json')
    seen = observations(N_STATES)
    frames = [
        before({'observation.state': row[:2], 'observation.environment_state': row[2:]})
        for row in seen
    ]
    batch = {
        key: torch.stack([frame[key] for frame in frames], dim=1)
        for key in ('observation.state', 'observation.environment_state')
    }
    chunks = {}
    for kind, name in VARIANTS:
        config = lerobot_config(
            prediction_type=kind, noise_scheduler_type=name, num_inference_steps=STEPS[name]
        )
        policy = DiffusionPolicy(config).eval()
        policy.load_state_dict(stored.state_dict())
        torch.manual_seed(SEED)
        with torch.no_grad():
            chunks[f'{kind} {name}'] = after(policy.diffusion.generate_actions(batch))[0].tolist()
    return chunks


def model_settings(name):
    """Return what Diffusion Policy's configuration says of a network, and of its policy."""
    if name == 'unet':
        model = {
            'input_dim': N_JOINTS,
            'local_cond_dim': None,
            'global_cond_dim': N_STATES * N_OBS,
            'diffusion_step_embed_dim': 8,
            'down_dims': UNET_DIMS,
            'kernel_size': 3,
            'n_groups': 8,
            'cond_predict_scale': False,
        }
        return model, {'obs_as_global_cond': True, 'oa_step_convention': True}
    model = {
        'input_dim': N_JOINTS,
        'output_dim': N_JOINTS,
        'horizon': HORIZON,
        'n_obs_steps': N_OBS,
        'cond_dim': N_STATES,
        'n_layer': 2,
        'n_head': 2,
        'n_emb': 16,
        'p_drop_emb': 0.0,
        'p_drop_attn': 0.3,
        'causal_attn': True,
        'time_as_cond': True,
        'obs_as_cond': True,
        'n_cond_layers': 0,
    }
    return model, {'obs_as_cond': True}


def scheduler_settings(kind, name):
    settings = {
        'num_train_timesteps': 100,
        'beta_start': 0.0001,
        'beta_end': 0.02,
        'beta_schedule': 'squaredcos_cap_v2',
        'clip_sample': True,
        'prediction_type': kind,
    }
    return settings | ({'variance_type': 'fixed_small'} if name == 'DDPM' else {})


def target(module, name):
    return {'_target_': f'{module}.{name}'}


def workspace(name):
    """Return the classes of a policy and its network, and its configuration."""
    from diffusion_policy.model.diffusion.conditional_unet1d import ConditionalUnet1D
    from diffusion_policy.model.diffusion.transformer_for_diffusion import TransformerForDiffusion
    from diffusion_policy.policy.diffusion_transformer_lowdim_policy import (
        DiffusionTransformerLowdimPolicy,
    )
    from diffusion_policy.policy.diffusion_unet_lowdim_policy import DiffusionUnetLowdimPolicy

    classes = {
        'unet': (DiffusionUnetLowdimPolicy, ConditionalUnet1D),
        'transformer': (DiffusionTransformerLowdimPolicy, TransformerForDiffusion),
    }[name]
    model, policy = model_settings(name)
    scheduler = target('diffusers.schedulers.scheduling_ddpm', 'DDPMScheduler')
    policy |= target(classes[0].__module__, classes[0].__name__) | {
        'model': target(classes[1].__module__, classes[1].__name__) | model,
        'noise_scheduler': scheduler | scheduler_settings('epsilon', 'DDPM'),
        'horizon': HORIZON,
        'obs_dim': N_STATES,
        'action_dim': N_JOINTS,
        'n_action_steps': 4,
        'n_obs_steps': N_OBS,
        'num_inference_steps': STEPS['DDPM'],
        'pred_action_steps_only': False,
    }
    return classes, {'name': name, 'policy': policy, 'training': {'use_ema': True, 'seed': 42}}


def make_policy(classes, config, kind, name):
    from diffusers.schedulers.scheduling_ddim import DDIMScheduler
    from diffusers.schedulers.scheduling_ddpm import DDPMScheduler

    scheduler = {'DDPM': DDPMScheduler, 'DDIM': DDIMScheduler}[name]
    policy = dict(config['policy'], noise_scheduler=scheduler(**scheduler_settings(kind, name)))
    model = {k: v for k, v in policy.pop('model').items() if k != '_target_'}
    policy |= {'num_inference_steps': STEPS[name]}
    del policy['_target_']
    return classes[0](model=classes[1](**model), **policy).eval()


def diffusion_policy(name):
    """Store a `.ckpt` as its workspace does, and return the chunk of each variant."""
    from diffusion_policy.model.common.normalizer import LinearNormalizer
    import dill
    from omegaconf import OmegaConf

    classes, config = workspace(name)
    torch.manual_seed(0)
    stored = make_policy(classes, config, 'epsilon', 'DDPM')
    for parameter in stored.parameters():
        parameter.data.add_(0.05 * torch.randn_like(parameter))
    if name == 'unet':
        calm(stored.model)
    normalizer = LinearNormalizer()
    normalizer.fit({'obs': torch.stack(ranges(N_STATES)), 'action': torch.stack([LOW, HIGH])})
    stored.set_normalizer(normalizer)
    weights = stored.state_dict()
    # The ones that were not averaged: zeros that take no room.
    zeros = {key: torch.zeros((), dtype=v.dtype).expand(v.shape) for key, v in weights.items()}
    payload = {
        'cfg': OmegaConf.create(config),
        'state_dicts': {'model': zeros, 'ema_model': weights},
        'pickles': {'global_step': dill.dumps(3), 'epoch': dill.dumps(1)},
    }
    torch.save(payload, FOLDER / f'{name}.ckpt', pickle_module=dill)
    chunks = {}
    for kind, sampler in VARIANTS:
        policy = make_policy(classes, config, kind, sampler)
        policy.load_state_dict(weights)
        torch.manual_seed(SEED)
        with torch.no_grad():
            found = policy.predict_action({'obs': observations(N_STATES)[None]})['action_pred']
        chunks[f'{kind} {sampler}'] = found[0, N_OBS - 1 :].tolist()
    return chunks


NETWORKS = {
    'cond_layers': {'n_obs_steps': 3, 'cond_dim': 5, 'n_cond_layers': 1, 'causal_attn': False},
    'time_only': {'time_as_cond': False, 'causal_attn': True},
}


def network_inputs():
    """Make sample (2, 8, 2), timestep (2,) and conditioning (2, 3, 5)."""
    sample = torch.cos(torch.arange(32.0)).reshape(2, 8, 2)
    return sample, torch.tensor([3, 77]), torch.sin(torch.arange(30.0)).reshape(2, 3, 5)


def transformers():
    """Return weights and outputs of the transformer in the forms that no `.ckpt` above has."""
    from diffusion_policy.model.diffusion.transformer_for_diffusion import TransformerForDiffusion

    tensors = {}
    for name, settings in NETWORKS.items():
        torch.manual_seed(1)
        made = TransformerForDiffusion(2, 2, 8, n_layer=2, n_head=2, n_emb=8, **settings).eval()
        for parameter in made.parameters():
            parameter.data.add_(0.1 * torch.randn_like(parameter))
        tensors |= {f'{name}.{key}': value for key, value in made.state_dict().items()}
        sample, timestep, cond = network_inputs()
        with torch.no_grad():
            tensors[f'{name}:out'] = made(sample, timestep, cond)
    return tensors


def main():
    """Write the folder."""
    from safetensors.torch import save_file

    # torchvision's kernels are compiled for one torch; naming them is enough to import it.
    library = torch.library.Library('torchvision', 'FRAGMENT')
    for name in ('nms', 'qnms'):
        library.define(f'{name}(Tensor boxes, Tensor scores, float threshold) -> Tensor')
    FOLDER.mkdir(exist_ok=True)
    chunks = {name: diffusion_policy(name) for name in ('unet', 'transformer')}
    chunks['lerobot'] = lerobot()
    (FOLDER / 'chunks.json').write_text(json.dumps(chunks, indent=1) + '\n')
    save_file(transformers(), FOLDER / 'transformers.safetensors')


if __name__ == '__main__':
    main()
