# SPDX-License-Identifier: Apache-2.0
"""Storing and loading a trained policy: `policy.safetensors` and `policy.json`, no pickle.

The JSON holds everything that is needed to run: configuration, normaliser and origin. Both
files carry a digest, so that a truncated or altered one is refused.
"""

from __future__ import annotations

from collections.abc import Mapping
import hashlib
from importlib.metadata import version
import json
from pathlib import Path
from typing import Any, Final

from dp_ros import __version__
from dp_ros.outside import OutsideError, read_json
from dp_ros.policy.config import PolicyConfig, policy_from_dict, to_dict
from dp_ros.policy.engines import make_engine
from dp_ros.policy.network import PolicyNetwork, check_size
from dp_ros.policy.policy import Policy
from dp_ros.task.task import task_from_dict, task_to_dict
from dp_ros.task.task_file import DESCRIPTION
from dp_ros.values import ConfigError, brief, require, shown
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
import torch
from torch import Tensor

WEIGHTS: Final = 'policy.safetensors'
FORMAT: Final = 2
_ADDED: Final = {'task': {'start_positions': ()}, 'policy': {'max_delay': 0}}
"""Settings that older checkpoints lack, as they were trained."""
_NORMALIZERS: Final = ('states', 'actions')


class CheckpointError(ValueError):
    """A checkpoint cannot be used; the message names the file and what to do."""


def save_checkpoint(folder: Path, network: PolicyNetwork, training: Mapping[str, Any]) -> None:
    """Write the policy into ``folder``; each file is written whole or not at all.

    :param training: record of the training: data digest, steps, seed ….
    """
    tensors = network.state_dict()
    weights = {
        name: value.detach().cpu().contiguous()
        for name, value in tensors.items()
        if name.split('.')[0] not in _NORMALIZERS
    }
    data = save_tensors(weights)
    description = {
        'format': FORMAT,
        'task': task_to_dict(network.config.task),
        'policy': to_dict(network.config),
        'normalizer': {
            name: {bound: tensors[f'{name}.{bound}'].tolist() for bound in ('low', 'high')}
            for name in _NORMALIZERS
        },
        'weights': {'file': WEIGHTS, 'sha256': hashlib.sha256(data).hexdigest()},
        'training': dict(training),
        'versions': {'dp_ros': __version__}
        | {name: version(name) for name in ('torch', 'diffusers', 'safetensors', 'numpy')},
    }
    store(folder, description, data)


def store(folder: Path, description: dict[str, Any], weights: bytes) -> None:
    """Write a description, with its digest, and its weights."""
    folder.mkdir(parents=True, exist_ok=True)
    description['sha256'] = digest_of(description)
    _write(folder / WEIGHTS, weights)
    _write(folder / DESCRIPTION, (json.dumps(description, indent=2) + '\n').encode())


def load_description(folder: Path) -> dict[str, Any]:
    """Read and check `policy.json`.

    :raises CheckpointError: when it is missing, truncated, altered or of another format.
    """
    file = folder / DESCRIPTION
    try:
        description = read_json(file)
    except FileNotFoundError:
        raise CheckpointError(f'{file}: no such file; name the folder of a checkpoint') from None
    except OSError as error:
        raise CheckpointError(f'{file}: cannot be read ({error.strerror})') from error
    except OutsideError as error:
        raise CheckpointError(f'{error}; copy it again') from error
    if not isinstance(description, dict) or description.get('format') != FORMAT:
        raise CheckpointError(f'{file}: {_wrong_format(description)}')
    if description.get('sha256') != digest_of(description):
        raise CheckpointError(f'{file}: was altered after training; copy it again')
    return description


def _wrong_format(description: Any) -> str:
    found = _get(description, 'format')
    if found == 1:
        return (
            'of the older format 1: `ros2 run dp_ros import_checkpoint OLD --out NEW` converts it'
        )
    return f'not a dp_ros checkpoint of format {FORMAT}'


def load_network(folder: Path) -> PolicyNetwork:
    """Load the networks with their weights.

    :raises CheckpointError: when a file is missing, truncated, altered or does not fit.
    """
    description = load_description(folder)
    try:
        config = _config(description)
        ranges = _ranges(description.get('normalizer'), config)
        tensors = load_tensors(_read_weights(folder / WEIGHTS, description)) | ranges
        check_size(config, sum(value.numel() for value in tensors.values()))
        network = PolicyNetwork(config)
        network.load_state_dict(tensors)
    except (ConfigError, RuntimeError, SafetensorError) as error:
        reason = brief(str(error))
        raise CheckpointError(f'{folder}: weights and description do not fit: {reason}') from error
    return network


def _config(description: Mapping[str, Any]) -> PolicyConfig:
    """Return the configuration.

    :raises ConfigError: for what is refused, or missing.
    """
    given = {section: _get(description, section) for section in ('task', 'policy')}
    for section, values in given.items():
        require(isinstance(values, Mapping), f'{section} = {shown(values)}: needs its settings')
        given[section] = _ADDED[section] | values
    task = task_from_dict(given['task'])
    config = policy_from_dict(given['policy'], task)
    _check_whole(given['task'], task_to_dict(task), 'task')
    _check_whole(given['policy'], to_dict(config), 'policy')
    return config


def _check_whole(given: Any, full: Mapping[str, Any], what: str) -> None:
    """Refuse a description that relies on defaults, which may be others in this version.

    :raises ConfigError: naming what is missing.
    """
    require(isinstance(given, Mapping), f'{what} = {shown(given)}: needs its settings')
    for key, value in full.items():
        require(key in given, f'{what}.{key} is missing')
        if isinstance(value, Mapping):
            _check_whole(given[key], value, f'{what}.{key}')


def _ranges(normalizer: Any, config: PolicyConfig) -> dict[str, Tensor]:
    """Return the tensors of the normalisers' modules.

    :raises ConfigError: unless they are finite and as many as there are names.
    """
    counts = {'states': len(config.observed_names), 'actions': len(config.joint_names)}
    found: dict[str, Tensor] = {}
    for name in _NORMALIZERS:
        for bound in ('low', 'high'):
            values = _get(_get(normalizer, name), bound)
            numbers = isinstance(values, list) and all(type(v) in (int, float) for v in values)
            fits = numbers and len(values) == counts[name]
            tensor = torch.tensor(values if fits else [float('nan')], dtype=torch.float32)
            require(
                bool(torch.isfinite(tensor).all()),
                f'normalizer.{name}.{bound} = {shown(values)}: needs {counts[name]} numbers',
            )
            found[f'{name}.{bound}'] = tensor
        fits = bool((found[f'{name}.low'] <= found[f'{name}.high']).all())
        require(fits, f'normalizer.{name}: a low end lies above its high end')
    return found


def _get(values: Any, key: str) -> Any:
    return values.get(key) if isinstance(values, Mapping) else None


def _read_weights(file: Path, description: Mapping[str, Any]) -> bytes:
    expected = _get(description.get('weights'), 'sha256')
    try:
        data = file.read_bytes()
    except OSError as error:
        raise CheckpointError(f'{file}: cannot be read ({error.strerror})') from error
    if hashlib.sha256(data).hexdigest() != expected:
        raise CheckpointError(
            f'{file}: is truncated or was altered, its sha256 is not the one in {DESCRIPTION}; '
            'copy it again'
        )
    return data


def load_policy(
    folder: Path | str, *, device: str = 'cpu', num_threads: int = 1, engine: str = 'auto'
) -> Policy:
    """Load a policy that is ready for inference.

    :param num_threads: number of threads of inference, for the whole process.
    :raises CheckpointError: when the checkpoint cannot be used.
    :raises ConfigError: when the engine cannot run here.
    """
    network = load_network(Path(folder))
    torch.set_num_threads(num_threads)
    made = make_engine(engine, network, device, num_threads)
    digest = load_description(Path(folder))['weights']['sha256']
    return Policy(network.config, made, network.actions, digest)


def digest_of(description: Mapping[str, Any]) -> str:
    """Return the sha256 of a description without its digest."""
    content = {name: value for name, value in description.items() if name != 'sha256'}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def _write(file: Path, data: bytes) -> None:
    part = file.with_suffix('.part')
    part.write_bytes(data)
    part.replace(file)
