# SPDX-License-Identifier: Apache-2.0
"""The human demonstrations of Push-T (Chi et al. 2023) as training windows.

A task names the columns that a policy sees and commands; `observe` computes the same columns from
recorded and simulated states. Lengths are pixels of a table that is 512 px wide.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import hashlib
from itertools import pairwise
from pathlib import Path
from typing import Any, Final
import zipfile

from dp_ros.data.datasets.dataset import DatasetError, WindowDataset
from dp_ros.data.windows.window import ActionSpec
from dp_ros.task.task import Task
from dp_ros.values import ConfigError
import numpy as np
from numpy.typing import NDArray
import torch

LOW_DIM: Final = 'pusht_lowdim.npz'
IMAGES: Final = 'pusht_img_uint8.npz'
CAMERA: Final = 'table'

ACTIONS: Final = ('target_x', 'target_y')
_STATE: Final = ('agent_x', 'agent_y', 'block_x', 'block_y', 'block_angle')
_KEYPOINTS: Final = np.array(
    [
        (9.270, 90.041),
        (-60.983, -1.187),
        (60.913, -1.393),
        (-0.271, 25.544),
        (-14.065, 122.816),
        (39.003, 32.857),
        (-39.966, 32.730),
        (-16.824, 62.863),
        (23.541, -1.700),
    ]
)
"""(9, 2) points of the block in its own frame [px], as the demonstrations have them."""
STATES: Final = (
    *_STATE,
    *(f'keypoint{k}_{axis}' for k in range(len(_KEYPOINTS)) for axis in 'xy'),
)

_LOW_DIM_COLUMNS: Final = {'action': (2,), 'state': (5,)}


def observe(state: NDArray[np.floating[Any]], names: Sequence[str]) -> NDArray[np.float32]:
    """Return columns (n, len(names)) of states.

    :param state: (n, 5) agent x, y, block x, y [px], block angle [rad]; ``names``: of `STATES`.
    """
    cos, sin = np.cos(state[:, 4:]), np.sin(state[:, 4:])
    x, y = _KEYPOINTS.T
    turned = np.stack([cos * x - sin * y, sin * x + cos * y], axis=-1)
    keypoints = turned + state[:, None, 2:4]
    columns = np.concatenate([state, keypoints.reshape(len(state), -1)], axis=1)
    return columns[:, [STATES.index(name) for name in names]].astype(np.float32)


def is_pusht(folder: Path) -> bool:
    """Tell whether a folder holds these demonstrations."""
    return (folder / LOW_DIM).is_file()


def load_pusht(folder: Path, task: Task, actions: ActionSpec) -> WindowDataset:
    """Read the demonstrations into windows of a task.

    :raises ConfigError: when the task names columns that they do not hold.
    :raises DatasetError: for a file that is missing or not what it should be.
    """
    check_pusht(task)
    arrays = _read(folder / LOW_DIM, ('action', 'state', 'episode_ends'))
    _check(folder / LOW_DIM, arrays, _LOW_DIM_COLUMNS)
    ends = arrays['episode_ends']
    _check_ends(folder / LOW_DIM, ends, len(arrays['state']))
    if task.cameras:
        arrays |= _read(folder / IMAGES, ('img',))
        _check(folder / IMAGES, arrays, {'img': (*task.image_sizes[CAMERA], 3)}, int(ends[-1]))
    rows, episode = window_rows(ends, actions)
    seen = torch.from_numpy(rows[:, : task.n_obs_steps])
    state = observe(arrays['state'], task.observed_names)
    order = [ACTIONS.index(name) for name in task.joint_names]
    commands = arrays['action'][:, order].astype(np.float32)
    images = {name: torch.from_numpy(arrays['img']).movedim(-1, 1) for name in task.cameras}
    return WindowDataset(
        torch.from_numpy(state)[seen],
        torch.from_numpy(commands[rows]),
        images,
        dict.fromkeys(images, seen),
        episode,
        _digest(arrays),
    )


def check_pusht(task: Task) -> None:
    """Refuse a task with values or cameras that Push-T does not have.

    :raises ConfigError: naming them.
    """
    offered: Mapping[str, tuple[Sequence[str], Sequence[str]]] = {
        'state_names': (task.observed_names, STATES),
        'joints': (task.joint_names, ACTIONS),
        'cameras': (task.camera_names, (CAMERA,)),
    }
    for key, (wanted, there) in offered.items():
        unknown = [name for name in wanted if name not in there]
        if unknown:
            raise ConfigError(f'{key}: {unknown}: Push-T has {tuple(there)}')


def window_rows(
    ends: NDArray[np.integer[Any]], actions: ActionSpec
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the rows (n, Tp) of each window, and the index (n,) of its episode.

    As in the paper's `SequenceSampler`, every step is the newest frame of a window: a window may
    begin To - 1 steps before its episode, where the first row repeats, and end ``pad_after``
    steps after it, where the last one does.

    :raises DatasetError: for an episode that is too short for a window.
    """
    rows: list[NDArray[np.int64]] = []
    for episode, (begin, end) in enumerate(pairwise([0, *ends.tolist()])):
        newest = np.arange(begin, end)
        newest = newest[actions.fits(end - 1 - newest)]
        if not len(newest):
            least = actions.steps[-1] - actions.pad_after + 1
            raise DatasetError(f'episode {episode}: {end - begin} steps: needs at least {least}')
        rows.append(np.clip(newest[:, None] + actions.steps, begin, end - 1))
    return np.concatenate(rows), np.repeat(np.arange(len(rows)), [len(part) for part in rows])


def _read(file: Path, names: Sequence[str]) -> dict[str, NDArray[Any]]:
    try:
        with np.load(file, allow_pickle=False) as stored:
            held = {name: stored[name] for name in names if name in stored}
    except FileNotFoundError:
        raise DatasetError(f'{file}: no such file') from None
    except (OSError, ValueError, zipfile.BadZipFile) as error:
        raise DatasetError(f'{file}: cannot be read ({error}); copy it again') from error
    for name in names:
        if name not in held:
            raise DatasetError(f'{file}: no {name} in it: needs {", ".join(names)}')
    return held


def _check(
    file: Path,
    arrays: Mapping[str, NDArray[Any]],
    shapes: Mapping[str, tuple[int, ...]],
    length: int | None = None,
) -> None:
    """Refuse arrays of other shapes, of different lengths, or with values that are not finite."""
    for name, shape in shapes.items():
        values = arrays[name]
        length = len(values) if length is None and values.ndim else length
        if values.shape != (length, *shape):
            raise DatasetError(f'{file}: {name} is {values.shape}: needs {(length, *shape)}')
        if np.issubdtype(values.dtype, np.inexact) and not np.isfinite(values).all():
            row = int(np.argwhere(~np.isfinite(values))[0, 0])
            raise DatasetError(f'{file}: {name} of step {row} is not finite: {values[row]}')


def _check_ends(file: Path, ends: NDArray[Any], length: int) -> None:
    whole = ends.ndim == 1 and len(ends) > 0 and np.issubdtype(ends.dtype, np.integer)
    if not whole or ends[-1] != length or (np.diff(ends, prepend=0) <= 0).any():
        raise DatasetError(
            f'{file}: episode_ends: needs whole numbers that rise to the {length} steps there are'
        )


def _digest(arrays: Mapping[str, NDArray[Any]]) -> str:
    digest = hashlib.sha256()
    for name, values in sorted(arrays.items()):
        digest.update(f'{name} {values.dtype} {values.shape}'.encode())
        digest.update(np.ascontiguousarray(values).data)
    return digest.hexdigest()
