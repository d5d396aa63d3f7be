# SPDX-License-Identifier: Apache-2.0
"""Recorded episodes as training windows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
import hashlib
from pathlib import Path
from typing import Any, Final

from dp_ros.arrays import Array, Rgb, Times
from dp_ros.data.bags.bag import BagTopics, EpisodeRecording, read_bag
from dp_ros.data.bags.storage import BagError, bags_under
from dp_ros.data.datasets.growing_array import GrowingArray
from dp_ros.data.windows.window import ActionSpec, ObservationWindow, Refusal, WindowSpec
from dp_ros.robot.units import MS
import numpy as np
from numpy.typing import NDArray
import torch
from torch import Tensor

Float32 = NDArray[np.float32]

MOVED: Final = 0.01
"""Distance from which on a joint [rad] or a finger [m] has moved."""


class DatasetError(ValueError):
    """The recordings cannot be trained on; the message says which and why."""


@dataclass(frozen=True)
class EpisodeWindows:
    """The windows of one episode, n of them.

    :param state: (n, To, S) states; ``actions``: (n, Tp, J) actions [rad].
    :param images: (n_images, H, W, 3) images per camera; ``image_index``: (n, To) into them.
    :param measured: whether the arm's actions are measured positions, not commanded ones.
    :param scene: name of the scene; empty where the recording holds none.
    :param has_checksums: whether damage in the recording would have been noticed.
    :param cut: text that says where the recording was cut off; empty where it is whole.
    """

    state: Float32
    actions: Float32
    images: dict[str, Rgb]
    image_index: dict[str, NDArray[np.int64]]
    measured: bool
    scene: str = ''
    has_checksums: bool = True
    cut: str = ''


@dataclass(frozen=True)
class Batch:
    """Some windows, B of them.

    :param state: (B, To, S) states; ``actions``: (B, Tp, J) actions [rad].
    :param images: (B, To, 3, H, W) images per camera, uint8.
    """

    state: Tensor
    images: dict[str, Tensor]
    actions: Tensor

    def to(self, device: torch.device) -> Batch:
        """Return the batch on a device."""
        images = {name: value.to(device) for name, value in self.images.items()}
        return Batch(self.state.to(device), images, self.actions.to(device))


@dataclass(frozen=True)
class WindowDataset:
    """All windows, in memory, checked to hold finite numbers.

    :param episode: (N,) index of the episode of each window.
    :param digest: sha256 over the messages of all bags that were used.
    :param n_measured: number of episodes whose actions are measured positions.
    :param scene: (n_episodes,) index of the scene of each; None: each has one of its own.
    :param n_unchecked: number of episodes in which damage may go unnoticed.
    :param cut: a line for each recording that was cut off, and read up to there.
    """

    state: Tensor
    actions: Tensor
    images: dict[str, Tensor]
    image_index: dict[str, Tensor]
    episode: NDArray[np.int64]
    digest: str
    n_measured: int = 0
    scene: NDArray[np.int64] | None = None
    n_unchecked: int = 0
    cut: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ('state', 'actions'):
            values: Tensor = getattr(self, name)
            for window, step, dimension in (~torch.isfinite(values)).nonzero()[:1].tolist():
                raise DatasetError(
                    f'{name} of episode {self.episode[window]}: dimension {dimension} is '
                    f'{float(values[window, step, dimension])}: needs finite numbers'
                )

    def __len__(self) -> int:
        return len(self.episode)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shapes of one window: state, actions, and images of each camera."""
        images = {f'images of {name!r}': value.shape[1:] for name, value in self.images.items()}
        found = {'state': self.state.shape[1:], 'actions': self.actions.shape[1:]} | images
        return {name: tuple(shape) for name, shape in found.items()}

    @property
    def n_episodes(self) -> int:
        """Number of episodes that gave windows."""
        return int(self.episode[-1]) + 1

    def batch(self, indices: NDArray[np.int64]) -> Batch:
        """Return the windows at ``indices`` (B,)."""
        chosen = torch.from_numpy(indices).to(self.state.device)
        images = {
            name: images[self.image_index[name][chosen]] for name, images in self.images.items()
        }
        return Batch(self.state[chosen], images, self.actions[chosen])

    @property
    def n_bytes(self) -> int:
        """Memory that the windows take [bytes]."""
        tensors = (self.state, self.actions, *self.images.values(), *self.image_index.values())
        return sum(tensor.nbytes for tensor in tensors)

    def to(self, device: torch.device) -> WindowDataset:
        """Return the windows on a device."""

        def moved(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
            return {name: tensor.to(device) for name, tensor in tensors.items()}

        return replace(
            self,
            state=self.state.to(device),
            actions=self.actions.to(device),
            images=moved(self.images),
            image_index=moved(self.image_index),
        )

    def split(
        self, validation_share: float, seed: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Split the windows into training and validation, each scene as a whole.

        Where all episodes are of one scene, each episode is kept as a whole.

        :raises DatasetError: when there are fewer than two episodes.
        """
        if self.n_episodes < 2:
            raise DatasetError(
                '1 episode: needs at least 2, to keep one for validation; record more'
            )
        scenes = np.arange(self.n_episodes) if self.scene is None else self.scene
        if len(set(scenes)) == 1:
            scenes = np.arange(self.n_episodes)
        wanted = max(1, round(validation_share * self.n_episodes))
        kept = _choose(np.bincount(scenes), wanted, np.random.default_rng(seed))
        validation = np.isin(scenes[self.episode], kept)
        return np.flatnonzero(~validation), np.flatnonzero(validation)


def _choose(sizes: NDArray[np.int64], wanted: int, rng: np.random.Generator) -> list[int]:
    """Choose random scenes of at most ``wanted`` episodes in all, or else a smallest one."""
    chosen: list[int] = []
    order: list[int] = rng.permutation(len(sizes)).tolist()
    for scene in order:
        if sizes[scene] <= wanted:
            chosen.append(scene)
            wanted -= sizes[scene]
    return chosen or [min(order, key=lambda scene: int(sizes[scene]))]


class _Joined:
    """Joins the windows of episodes that are read one after the other; keeps each image once."""

    def __init__(self) -> None:
        self.parts: list[EpisodeWindows] = []
        self._images: dict[str, GrowingArray] = {}
        self._digest = hashlib.sha256()

    def add(self, windows: EpisodeWindows, digest: str) -> None:
        """Add an episode; append its images."""
        index = {
            name: windows.image_index[name] + self._add_images(name, images)
            for name, images in windows.images.items()
        }
        self.parts.append(replace(windows, images={}, image_index=index))
        self._digest.update(digest.encode())

    def _add_images(self, camera: str, images: Rgb) -> int:
        planes = images.transpose(0, 3, 1, 2)
        held = self._images.setdefault(camera, GrowingArray(planes.shape[1:], planes.dtype))
        return held.extend(planes)

    def dataset(self) -> WindowDataset:
        """Return all windows."""

        def joined(arrays: Iterable[NDArray[Any]]) -> Tensor:
            return torch.from_numpy(np.concatenate(list(arrays)))

        parts, cameras = self.parts, self._images
        return WindowDataset(
            joined(part.state for part in parts),
            joined(part.actions for part in parts),
            {name: torch.from_numpy(images.values) for name, images in cameras.items()},
            {name: joined(part.image_index[name] for part in parts) for name in cameras},
            np.repeat(np.arange(len(parts)), [len(part.actions) for part in parts]),
            self._digest.hexdigest(),
            sum(part.measured for part in parts),
            _numbered([part.scene for part in parts]),
            sum(not part.has_checksums for part in parts),
            tuple(part.cut for part in parts if part.cut),
        )


def _numbered(scenes: Sequence[str]) -> NDArray[np.int64]:
    """Return a number for the scene of each episode; one without a name gets its own."""
    numbers: dict[str | int, int] = {}
    return np.array(
        [numbers.setdefault(scene or k, len(numbers)) for k, scene in enumerate(scenes)]
    )


def find_bags(folder: Path) -> list[Path]:
    """List the bags under a folder by name, including those without `metadata.yaml`.

    :raises DatasetError: when there is no bag.
    """
    if not folder.is_dir():
        raise DatasetError(f'{folder}: no such folder')
    bags = bags_under(folder)
    if not bags:
        raise DatasetError(
            f'{folder}: no rosbag2 in it: record with `ros2 bag record` or demo_recorder'
        )
    return bags


def load_dataset(
    folder: Path,
    spec: WindowSpec,
    topics: BagTopics,
    actions: ActionSpec,
    on_progress: Callable[[Sequence[Path]], Iterable[Path]] = iter,
) -> tuple[WindowDataset, list[str]]:
    """Read every bag under ``folder`` into windows.

    :param on_progress: function that wraps the list of bags to show progress.
    :returns: the windows, and a line for each bag that could not be used.
    :raises DatasetError: when no bag can be used.
    """
    joined, skipped = _Joined(), []
    for bag in on_progress(find_bags(folder)):
        try:
            _read(bag, spec, topics, actions, joined)
        except (BagError, DatasetError) as error:
            skipped.append(str(error))
    if not joined.parts:
        raise DatasetError(f'{folder}: no bag can be used:\n' + '\n'.join(skipped[:5]))
    return joined.dataset(), skipped


def _read(
    bag: Path, spec: WindowSpec, topics: BagTopics, actions: ActionSpec, joined: _Joined
) -> None:
    """Add a bag's windows; everything else that was read of it is freed afterwards."""
    recording = read_bag(bag, spec, topics)
    joined.add(training_windows(recording, actions), recording.digest)


def training_windows(recording: EpisodeRecording, actions: ActionSpec) -> EpisodeWindows:
    """Cut a recording into the windows that training uses.

    :raises DatasetError: when there is no window, or the demonstration is noted as failed.
    """
    succeeded = recording.info.get('succeeded', 'true')
    if succeeded != 'true':
        raise DatasetError(
            f'{recording.path}: not a success: metadata.yaml says succeeded: {succeeded}'
        )
    return replace(episode_windows(recording, actions), scene=_scene(recording.info))


def _scene(info: Mapping[str, str]) -> str:
    """Return the scene's name from the recorder's notes, empty where they hold none."""
    return f'{info.get("task", "")} {info["seed"]}' if 'seed' in info else ''


def episode_windows(recording: EpisodeRecording, actions: ActionSpec) -> EpisodeWindows:
    """Cut a recording into windows, one at each set of images that allows one.

    :raises DatasetError: when there is no window, with the most frequent reason.
    """
    builder = recording.builder
    if not builder.images:
        raise DatasetError(f'{recording.path}: windows are cut at images: name a camera')
    windows: list[ObservationWindow] = []
    for stamp_ns in _stamps(recording, actions):
        try:
            windows.append(builder.build(stamp_ns))
        except Refusal as refusal:
            recording.refuse(refusal)
    if not windows:
        why = f'it is too short for actions {actions.steps[-1]} steps ahead, or a stream has gaps'
        if not recording.stamps_ns:
            slop_ms = builder.spec.slop_ns / MS
            why = f'its cameras never have images within {slop_ms:g} ms of each other'
        raise DatasetError(f'{recording.path}: no window{recording.refusals()}; {why}')
    image_index = {
        name: np.searchsorted(
            stream.stamps, np.array([window.image_stamps_ns[name] for window in windows])
        )
        for name, stream in builder.images.items()
    }
    return EpisodeWindows(
        np.array([window.state for window in windows], dtype=np.float32),
        _actions(recording, [window.stamp_ns for window in windows], actions),
        {name: np.stack(stream.samples) for name, stream in builder.images.items()},
        image_index,
        measured=not recording.trajectories,
        has_checksums=recording.has_checksums,
        cut=f'{recording.path}: {recording.cut}' if recording.cut else '',
    )


def _stamps(recording: EpisodeRecording, actions: ActionSpec) -> list[int]:
    """Return the stamps of the sets of images with enough of the episode left after them.

    Stamps after the last joint state are included: building their windows gives the reason.
    """
    stamps = np.array(recording.stamps_ns, dtype=np.int64)
    left_ns = recording.builder.joints.newest_ns - stamps
    fits = actions.fits(left_ns // recording.builder.spec.dt_ns)
    if actions.trim_idle:
        fits &= stamps >= first_motion(recording) - recording.builder.spec.dt_ns
    kept: list[int] = stamps[fits | (left_ns < 0)].tolist()
    return kept


def first_motion(recording: EpisodeRecording) -> int:
    """Return when a joint first has moved by `MOVED` [ns]; the first stamp if none ever does."""
    joints = recording.builder.joints
    positions = np.array(joints.samples)
    moved = np.abs(positions - positions[0]).max(axis=1) > MOVED
    return joints.stamps[int(moved.argmax())]


def _actions(recording: EpisodeRecording, stamps_ns: list[int], actions: ActionSpec) -> Float32:
    """Return commanded joint positions (n, Tp, J); past the episode's end the last one repeats."""
    joints, dt_ns = recording.builder.joints, recording.builder.spec.dt_ns
    times = np.array(stamps_ns, dtype=np.int64)[:, None] + actions.steps * dt_ns
    times = np.clip(times, joints.stamps[0], joints.stamps[-1])
    return commanded(recording, times.ravel()).reshape(*times.shape, -1).astype(np.float32)


def commanded(recording: EpisodeRecording, times_ns: Times) -> Array:
    """Return commanded positions (n, J) of arm and gripper at times (n,) [rad, fingers m].

    Before the first trajectory, or where none was recorded (hand guiding), these are the
    measured positions.

    :raises DatasetError: when a controller can follow none of the recorded trajectories.
    """
    if recording.unfollowed:
        raise DatasetError(
            f'{recording.path}: no trajectory can be followed: {recording.unfollowed}; name the '
            'topic that commands these joints'
        )
    joints = recording.builder.joints
    measured = resample(joints.stamps, joints.samples, times_ns)
    return recording.builder.commands.sample(times_ns, measured)


def resample(
    stamps: Sequence[int] | Times, samples: Sequence[Array] | Array, times_ns: Times
) -> Array:
    """Interpolate samples (n, J) with stamps (n,) at times (m,); constant beyond the ends."""
    origin = stamps[0]
    known, at = np.array(stamps, dtype=np.int64) - origin, times_ns - origin
    return np.stack([np.interp(at, known, column) for column in np.array(samples).T], axis=1)
