# SPDX-License-Identifier: Apache-2.0
"""A person, teleoperation, the executor and a perfect arm, in simulated time without ROS."""

from dataclasses import replace

from dp_ros.control.executor.chunk import ChunkRefused
from dp_ros.control.executor.chunk_executor import ChunkExecutor, ExecutorConfig
from dp_ros.control.teleop.teleop import Teleop, TeleopConfig
from dp_ros.robot.arm_model import FR3
from dp_ros.robot.kinematics import JOINT_NAMES
from dp_ros.robot.trajectory import TrajectoryReference
from dp_ros.robot.units import MS, NS
import numpy as np

START = 100 * NS
HOME = np.array([0.0, -0.78, 0.0, -2.36, 0.0, 1.57, 0.78])


class Loop:
    """Runs ten milliseconds at a time.

    :param source: a TwistInput or a LeaderInput; ``speed_scale`` is the executor's.
    """

    def __init__(
        self, source, speed_scale=1.0, fingers=(), joints=JOINT_NAMES, model=FR3, home=HOME
    ):
        self.joints = joints
        self.source = source
        self.teleop = Teleop(joints, fingers, model, TeleopConfig())
        self.teleop.speed_scale = speed_scale
        self.executor = ChunkExecutor(
            joints, model, ExecutorConfig(speed_scale=speed_scale), fingers
        )
        self.reference = TrajectoryReference(joints, np.asarray(home))
        self.now_ns = START
        self.chunks, self.refused, self.commanded = [], [], []
        self.stuck = None

    @property
    def position(self):
        return self.reference.sample(np.array([self.now_ns]))[0][0]

    @property
    def obstacle(self):
        return self.teleop.obstacle(self.now_ns)

    def run(self, seconds, feed=None):
        """Run, with feed(source, now_ns) called every 20 ms; return the commands (n, 7)."""
        first = len(self.commanded)
        for _ in range(round(seconds * 100)):
            self._step(feed)
        return np.array(self.commanded[first:])

    def _step(self, feed):
        now_ns, elapsed_ms = self.now_ns, (self.now_ns - START) // MS
        measured = self.position if self.stuck is None else self.stuck
        self.executor.on_joints(now_ns, now_ns, self.joints, measured)
        self.teleop.on_joints(now_ns, measured)
        if feed and elapsed_ms % 20 == 0:
            feed(self.source, now_ns)
        self._accept(self.executor.tick(now_ns))
        if elapsed_ms % 40 == 0:
            self._tick()
        self.commanded.extend(self.reference.sample(now_ns + MS * np.arange(10))[0])
        self.now_ns += 10 * MS

    def _tick(self):
        if self.executor.interlocks:
            self.teleop.hold(self.executor.reason)
            return
        position = self.teleop.position(self.now_ns)
        wish = None if position is None else self.source.wish(position)
        chunk = self.teleop.tick(wish, self.source.stamp_ns, self.now_ns)
        if chunk is not None:
            self.chunks.append(chunk)
            try:
                self._accept(self.executor.on_chunk(replace(chunk, smooth=True), self.now_ns))
            except ChunkRefused as refused:
                self.refused.append(str(refused))

    def _accept(self, trajectory):
        if trajectory is not None:
            self.reference.accept(trajectory, self.now_ns)
            self.teleop.on_command(trajectory, self.now_ns)
