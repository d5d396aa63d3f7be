# SPDX-License-Identifier: Apache-2.0
"""The Push-T table with the physics of gym-pusht, and an episode by the papers' protocol.

A disc pushes a T-shaped block onto its outline; it follows target positions at 10 Hz.
"""

from __future__ import annotations

from collections import deque
import os
import sys
from typing import Any, Final

from dp_ros.arrays import Array, Rgb
import numpy as np

MAX_STEPS: Final = 300
CONTROL_HZ: Final = 10
IMAGE_SIZE: Final = (96, 96)
_VIDEO_SIZE: Final = (256, 256)
_FULL_COVERAGE: Final = 0.95


class PushTMissingError(RuntimeError):
    """The simulation of Push-T is not installed; the message says how to install it."""


class PushTTable:
    """The physics; states are given and returned as in the demonstrations.

    :raises PushTMissingError: when gym-pusht is not installed.
    """

    def __init__(self) -> None:
        make = _import_environment()
        (height, width), (video_height, video_width) = IMAGE_SIZE, _VIDEO_SIZE
        self._env: Any = make(
            observation_height=height,
            observation_width=width,
            visualization_height=video_height,
            visualization_width=video_width,
        )

    def reset(self, seed: int) -> None:
        """Start at the initial condition of a seed in the papers' evaluation."""
        rng = np.random.RandomState(seed)  # noqa: NPY002 - as in the papers' code
        agent, block = rng.randint(50, 450, 2), rng.randint(100, 400, 2)
        angle = rng.randn() * 2 * np.pi - np.pi
        # As in their code the position is set first; the angle then turns about another point.
        self._env.reset(options={'reset_to_state': [*agent, *block, angle]})

    @property
    def state(self) -> Array:
        """State (5,): agent x, y, block x, y [px], block angle [rad, 0 to 2π]."""
        return np.asarray(self._env.get_obs(), dtype=np.float64)

    def step(self, target: Array) -> float:
        """Move the agent towards a target (2,) [px] for 0.1 s; return the score."""
        *_, info = self._env.step(np.asarray(target, dtype=np.float64))
        return score(info['coverage'])

    def image(self) -> Rgb:
        """Return the image of the demonstrations' camera, (96, 96, 3)."""
        return np.asarray(self._env._render(visualize=False), dtype=np.uint8)

    def picture(self) -> Rgb:
        """Return a picture of the table for people, with the target, (256, 256, 3)."""
        return np.asarray(self._env.render(), dtype=np.uint8)


class PushTEpisode:
    """One episode: the newest observations, and the best score so far.

    :param n_obs_steps: number of observations of a policy; at first all are of the start.
    :param keep_images: whether to draw every observation, for a policy that sees images.
    :param keep_pictures: whether to draw every step, for a video.
    """

    def __init__(
        self, seed: int, n_obs_steps: int, keep_images: bool = False, keep_pictures: bool = False
    ) -> None:
        self.seed, self.steps, self.score = seed, 0, 0.0
        self.pictures: list[Rgb] = []
        self._keep_images, self._keep_pictures = keep_images, keep_pictures
        self._table = PushTTable()
        self._table.reset(seed)
        self._states: deque[Array] = deque(maxlen=n_obs_steps)
        self._images: deque[Rgb] = deque(maxlen=n_obs_steps)
        for _ in range(n_obs_steps):
            self._observe()

    @property
    def done(self) -> bool:
        """Whether the block covers its outline, or the time is over."""
        return self.score >= 1.0 or self.steps >= MAX_STEPS

    @property
    def states(self) -> Array:
        """Newest states (To, 5)."""
        return np.stack(self._states)

    @property
    def images(self) -> Rgb:
        """Newest images (To, 96, 96, 3)."""
        return np.stack(self._images)

    def follow(self, targets: Array) -> None:
        """Go to targets (n, 2) [px], one every 0.1 s, until done."""
        for target in targets:
            if self.done:
                return
            self.score = max(self.score, self._table.step(target))
            self.steps += 1
            self._observe()
            if self._keep_pictures:
                self.pictures.append(self._table.picture())

    def _observe(self) -> None:
        self._states.append(self._table.state)
        if self._keep_images:
            self._images.append(self._table.image())


def score(coverage: float) -> float:
    """Return the papers' score: the covered share of the outline over 95 %, at most 1."""
    return float(np.clip(coverage / _FULL_COVERAGE, 0.0, 1.0))


def _import_environment() -> Any:
    os.environ.setdefault('PYGAME_HIDE_SUPPORT_PROMPT', '1')
    # `ros2 run` sets this to dp_ros; pkg_resources, which pygame imports, would then refuse
    # dependencies of dependencies that nothing here needs.
    vars(sys.modules['__main__']).pop('__requires__', None)
    try:
        from gym_pusht.envs.pusht import PushTEnv
    except ImportError as error:
        raise PushTMissingError(
            f'the simulation of Push-T is not installed ({error}): '
            "`pip install gymnasium pygame 'pymunk<7' shapely`, then, without the second OpenCV "
            'that it wants, `pip install --no-deps gym-pusht==0.1.8`'
        ) from error
    return PushTEnv
