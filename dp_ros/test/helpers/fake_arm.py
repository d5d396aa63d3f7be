# SPDX-License-Identifier: Apache-2.0
"""An arm and its controller around the executor's core, in simulated time."""

from dataclasses import replace

from dp_ros.control.executor.chunk import Chunk, ChunkRefused
from dp_ros.control.executor.chunk_executor import ChunkExecutor, ExecutorConfig
from dp_ros.robot.arm_model import FR3
from dp_ros.robot.kinematics import JOINT_NAMES
from dp_ros.robot.trajectory import TrajectoryReference
from dp_ros.robot.units import MS, NS
from dp_ros.ros.conversions import trajectory_from_msg, trajectory_to_msg
from dp_ros.sim.judge import judge
import numpy as np
import pytest

START = 1_790_000_000 * NS
HOME = np.array([0.0, -0.78, 0.0, -2.36, 0.0, 1.57, 0.78])
TIMES = np.arange(15) * 0.1


class Arm:
    """A controller, an arm that is where it is commanded, and the executor, at one time."""

    def __init__(self, position=HOME, fingers=(), joints=JOINT_NAMES, model=FR3, **config):
        self.joints = joints
        self.core = ChunkExecutor(joints, model, ExecutorConfig(**config), fingers)
        self.controller = TrajectoryReference(joints, np.asarray(position))
        self.now = START
        self.commands, self.ids = [], []
        self._next_sample = START
        self.tracking_error = 0.0

    def run(self, seconds, joints=True):
        """Let time pass as in the node: joint states and ticks every 20 ms."""
        end = self.now + round(seconds * NS)
        while self.now < end:
            self.to(min(end, self.now + 20 * MS), joints)
        return self

    def to(self, time_ns, joints=True):
        """Go on to a time; the controller commands every millisecond."""
        times = np.arange(self._next_sample, time_ns, MS)
        if len(times):
            self._next_sample = int(times[-1]) + MS
            self.commands.append(self.controller.sample(times)[0])
            self.ids += [self.controller.trajectory_id] * len(times)
        self.now = time_ns
        if joints:
            measured = self.state()[0] + self.tracking_error
            self.send(self.core.on_joints(self.now, self.now, self.joints, measured))
        self.send(self.core.tick(self.now))

    def state(self):
        return [value[0] for value in self.controller.sample(np.array([self.now]))]

    def chunk(self, **changes):
        """Return a chunk that moves each joint at 0.2 rad/s from where it is."""
        positions = self.state()[0] + 0.2 * TIMES[:, None]
        return replace(Chunk(self.now, self.joints, TIMES, positions), **changes)

    def follow(self, **changes):
        return self.send(self.core.on_chunk(self.chunk(**changes), self.now))

    def send(self, trajectory):
        """Hand a trajectory to the controller as the message does."""
        if trajectory is not None:
            received = trajectory_from_msg(trajectory_to_msg(trajectory))
            self.controller.accept(received, self.now)
        return trajectory

    def refusal(self, **changes):
        """Let the executor refuse a chunk; return why."""
        before = self.controller.trajectory_id
        with pytest.raises(ChunkRefused) as refused:
            self.follow(**changes)
        assert self.controller.trajectory_id == before
        return str(refused.value)

    def configure(self, **changes):
        """Change the executor's settings while it runs."""
        return self.send(self.core.configure(replace(self.core.config, **changes), self.now))

    def assert_at_rest(self):
        assert np.abs(self.state()[1:]).max() < 1e-6

    def assert_accepted(self):
        """Check that a real FR3 would accept every command so far; return them (n, 7)."""
        commands = np.concatenate(self.commands)
        assert judge(commands) == []
        return commands
