# SPDX-License-Identifier: Apache-2.0
"""Under a controller by torques the arm lags; chunks have to join what it was commanded.

The lag is that of a joint with inertia and friction under the gains of franka_controllers.yaml.
"""

from pathlib import Path

from dp_ros.control.executor.chunk import Chunk
from dp_ros.control.executor.chunk_executor import ChunkExecutor, ExecutorConfig
from dp_ros.control.executor.interlocks import STOP
from dp_ros.robot.arm_model import FR3
from dp_ros.robot.trajectory import Trajectory, TrajectoryReference
from dp_ros.robot.units import MS, NS
from dp_ros.sim.judge import boundary_velocity_steps, judge
from fake_robot import HOME, JOINTS
import numpy as np
import yaml

TIMES = np.arange(1, 16) * 0.1
CONFIG = Path(__file__).resolve().parents[3] / 'dp_ros_bringup/config/franka_controllers.yaml'
GAINS = yaml.safe_load(CONFIG.read_text())['/**/fr3_arm_controller']['ros__parameters']['gains']
P, D = (np.array([GAINS[joint][gain] for joint in JOINTS]) for gain in 'pd')
INERTIA = np.array([1.2, 1.2, 0.8, 0.6, 0.1, 0.06, 0.02])  # [kg m²], about
FRICTION = np.array([1.5, 1.5, 1.5, 1.5, 0.6, 0.6, 0.3])  # [Nm], about


class EffortArm:
    """The arm, its controller, and the executor, which hears where the arm is every 20 ms."""

    def __init__(self, from_desired_state, known=True):
        self.core = ChunkExecutor(JOINTS, FR3, ExecutorConfig())
        self.from_desired_state, self.known = from_desired_state, known
        self.now = 100 * NS
        self.velocity = np.zeros(7)
        self.activate(HOME)
        self.commands, self.ids, self.steps_back = [], [], []

    def activate(self, position):
        """Let the controller begin, from an arm that somebody has put somewhere."""
        self.reference = TrajectoryReference(JOINTS, position)
        self.position = np.array(position, dtype=float)

    def run(self, seconds):
        for now in range(self.now, self.now + round(seconds * NS), MS):
            self.now = now
            desired, rate, _ = (value[0] for value in self.reference.sample(np.array([self.now])))
            self.commands.append(desired)
            self.ids.append(self.reference.trajectory_id)
            torque = P * (desired - self.position) + D * (rate - self.velocity)
            torque -= FRICTION * np.tanh(self.velocity / 0.01)
            self.velocity = self.velocity + torque / INERTIA * 0.001
            self.position = self.position + self.velocity * 0.001
            if self.now % (20 * MS) == 0:
                self.core.on_joints(self.now, self.now, JOINTS, self.position)
                self.core.tick(self.now)
        self.now += MS

    def desired(self):
        return self.reference.sample(np.array([self.now]))[0][0]

    def follow(self, positions):
        """Send the trajectory of a chunk; note how far the reference steps where it begins."""
        chunk = Chunk(self.now, tuple(JOINTS), TIMES, positions)
        trajectory = self.core.on_chunk(chunk, self.now)
        before = self.desired()
        if not self.known:
            trajectory = self._ahead(trajectory)
        if not self.from_desired_state and trajectory.start_ns > self.now:
            trajectory = self._from_measured(trajectory)
        self.reference.accept(trajectory, self.now)
        self.steps_back.append(before - self.desired())
        return trajectory

    def _ahead(self, trajectory):
        """Leave out what the arm does already, up to the join."""
        join_ns = self.core.times.join_ns
        since = trajectory.times - (join_ns - trajectory.start_ns) / NS
        new = since > -1e-9
        return Trajectory(
            trajectory.joint_names,
            join_ns,
            np.maximum(0.0, since[new]),
            trajectory.positions[new],
            trajectory.velocities[new],
            trajectory.accelerations[new],
        )

    def _from_measured(self, trajectory):
        """Add the point from which the controller bridges without that parameter."""
        ahead = (trajectory.start_ns - self.now) / NS
        state = self.position, self.velocity, np.zeros(7)
        rows = trajectory.positions, trajectory.velocities, trajectory.accelerations
        return Trajectory(
            trajectory.joint_names,
            self.now,
            np.concatenate([[0.0], trajectory.times + ahead]),
            *(np.concatenate([value[None], row]) for value, row in zip(state, rows, strict=True)),
        )


def followed(from_desired_state, known=True):
    """Move every joint on at 0.3 rad/s, by ten chunks."""
    arm = EffortArm(from_desired_state, known)
    arm.run(0.1)
    for k in range(10):
        arm.follow(HOME + 0.3 * (0.1 * k + TIMES[:, None]))
        arm.run(0.1)
    return arm


def test_from_the_desired_state_chunks_join_without_a_step():
    arm = followed(from_desired_state=True)
    lag = np.abs(arm.desired() - arm.position)
    assert lag.min() > 0.002 and lag.max() < 0.02, 'the arm does lag'
    assert np.abs(arm.steps_back).max() < 1e-9
    assert judge(np.array(arm.commands)) == []
    assert boundary_velocity_steps(np.array(arm.commands), np.array(arm.ids)).max() < 0.015


def test_chunks_that_begin_with_what_the_arm_does_join_without_a_step_in_any_case():
    arm = followed(from_desired_state=False)
    assert np.abs(arm.steps_back).max() < 1e-9
    assert judge(np.array(arm.commands)) == []


def test_from_the_measured_state_other_trajectories_begin_with_a_step_back():
    arm = followed(from_desired_state=False, known=False)
    assert np.mean(arm.steps_back, axis=0).min() > 0.001, 'every joint, against its motion'
    assert len(judge(np.array(arm.commands))) > 10
    assert boundary_velocity_steps(np.array(arm.commands), np.array(arm.ids)).max() > 0.5


def test_after_a_recovery_the_reference_is_the_measured_state():
    arm = followed(from_desired_state=True)
    arm.core.inhibit('robot', 'reflex', arm.now)
    elsewhere = arm.position + 0.2
    arm.activate(elsewhere)
    arm.velocity[:] = 0
    arm.run(1.5)
    arm.core.resume(arm.now, STOP, 'robot')
    arm.commands.clear()
    first = arm.follow(elsewhere + 0.3 * TIMES[:, None])
    np.testing.assert_allclose(first.positions[0], arm.position, atol=1e-12)
    arm.run(0.8)
    assert judge(np.array(arm.commands)) == []
    assert (arm.position - elsewhere).min() > 0.1
