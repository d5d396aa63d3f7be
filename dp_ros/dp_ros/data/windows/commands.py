# SPDX-License-Identifier: Apache-2.0
"""Commanded positions of joints, at any time that is kept.

Arm and gripper have controllers of their own: a trajectory replaces the last one for the same
joints, and runs beside those for other joints.
"""

from __future__ import annotations

from copy import copy
from dataclasses import replace

from dp_ros.arrays import Array, Times
from dp_ros.robot.trajectory import Trajectory, TrajectoryReference, TrajectoryRejected
import numpy as np


class CommandHistory:
    """History of the references of the controllers of some joints.

    :param keep_ns: time for which a replaced trajectory is kept [ns]; None: for ever.
    """

    def __init__(self, joint_names: tuple[str, ...], keep_ns: int | None = None) -> None:
        self._joint_names = joint_names
        self._keep_ns = keep_ns
        self._tracks: dict[tuple[str, ...], list[tuple[int, TrajectoryReference]]] = {}

    def forget(self) -> None:
        """Forget everything."""
        self._tracks.clear()

    def accept(self, received_ns: int, trajectory: Trajectory, measured: Array) -> None:
        """Follow a trajectory from ``received_ns`` on, as the controller of its joints does.

        :param measured: (J,) measured positions, from which the first trajectory starts.
        :raises TrajectoryRejected: where the controller rejects it; the running one goes on.
        """
        names = tuple(name for name in self._joint_names if name in trajectory.joint_names)
        track = self._tracks.get(names, [])
        start = measured[self._columns(names)]
        reference = copy(track[-1][1]) if track else TrajectoryReference(names, start)
        reference.accept(_only(trajectory, names), received_ns)
        track.append((received_ns, reference))
        self._tracks[names] = track
        self._prune(track)

    def sample(self, times_ns: Times, measured: Array) -> Array:
        """Return the commanded positions (n, J) at times (n,) [rad, fingers m].

        :param measured: (n, J) measured positions, returned where nothing was commanded yet.
        """
        values = measured.copy()
        for names, track in self._tracks.items():
            columns = self._columns(names)
            # Translated to another clock, one may seem to come before the one that it replaced.
            since = np.minimum.accumulate([received_ns for received_ns, _ in reversed(track)])
            running = np.searchsorted(since[::-1], times_ns, side='right') - 1
            for index in np.unique(running[running >= 0]):
                rows = np.flatnonzero(running == index)
                values[rows[:, None], columns] = track[index][1].sample(times_ns[rows])[0]
        return values

    def _prune(self, track: list[tuple[int, TrajectoryReference]]) -> None:
        if self._keep_ns is None:
            return
        oldest_ns = track[-1][0] - self._keep_ns
        passed = sum(received_ns <= oldest_ns for received_ns, _ in track)
        del track[: max(0, passed - 1)]

    def _columns(self, names: tuple[str, ...]) -> list[int]:
        return [self._joint_names.index(name) for name in names]


def _only(trajectory: Trajectory, names: tuple[str, ...]) -> Trajectory:
    """Leave out joints that are not observed."""
    given = trajectory.joint_names
    if len(set(given)) < len(given):
        raise TrajectoryRejected(f'joints {list(given)}: one is named twice')
    if not names:
        raise TrajectoryRejected(f'joints {list(given)}: none of those that are observed')
    if len(names) == len(given):
        return trajectory
    columns = [given.index(name) for name in names]

    def kept(values: Array | None) -> Array | None:
        if values is None or values.shape[1:] != (len(given),):
            return values  # A wrong shape: the reference rejects it by name.
        return values[:, columns]

    positions = kept(trajectory.positions)
    assert positions is not None
    return replace(
        trajectory,
        joint_names=names,
        positions=positions,
        velocities=kept(trajectory.velocities),
        accelerations=kept(trajectory.accelerations),
    )
