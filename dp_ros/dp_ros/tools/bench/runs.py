# SPDX-License-Identifier: Apache-2.0
"""The parts of the loop besides denoising, as functions that are called repeatedly."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
import contextlib
from functools import partial
import itertools
from typing import Final

from dp_ros.arrays import Array
from dp_ros.control.executor.fit import OF_POLICIES
from dp_ros.control.executor.motion import State
from dp_ros.control.executor.pace import Caution, Ramp
from dp_ros.control.executor.planner import ChunkPlan, Planner
from dp_ros.control.executor.splice import follow
from dp_ros.data.windows.window import WindowBuilder, WindowSpec
from dp_ros.nodes.executor.parameters import PARAMETERS
from dp_ros.policy.config import PolicyConfig
from dp_ros.robot.arm_model import FR3
from dp_ros.robot.kinematics import JOINT_NAMES
from dp_ros.robot.limits import FR3_LIMITS
from dp_ros.robot.trajectory import TrajectoryReference
from dp_ros.robot.units import NS, to_ns
from dp_ros.sim.scenarios.reach.expert import plan
from dp_ros.sim.scenarios.reach.scenario import REACH
from dp_ros.sim.scenarios.reach.scene import sample_scene
from dp_ros.sim.world import PERIOD, FrankaWorld
from dp_ros.tools.bench.cases import Run
import numpy as np

JOINT_PERIOD_NS = NS // 100
_MIDDLE_NS: Final = 1 * NS  # When the expert is in mid-motion.
_WAVE: Final = 0.003  # Deviation of a network's points from a smooth path [rad].


@contextlib.contextmanager
def loop_runs(config: PolicyConfig) -> Iterator[Mapping[str, Run]]:
    """Yield the parts of the loop besides denoising, each for one dt or chunk."""
    world = FrankaWorld(REACH.sample(0), REACH)
    try:
        yield {
            'observation window': window_run(config),
            'splice of a chunk': splice_run(config),
            'approach of a chunk 1 rad away': splice_run(config, 1.0),
            'simulation of dt': partial(simulate, world, round(config.dt / PERIOD)),
            'camera image, 96x96': world.render,
        }
    finally:
        world.close()


def window_run(config: PolicyConfig) -> Run:
    """Take the messages of one dt, with joint states at 100 Hz, and build a window."""
    dt_ns = to_ns(config.dt)
    spec = WindowSpec(config.joint_names, config.image_sizes, dt_ns, config.n_obs_steps)
    builder = WindowBuilder(spec, keep_ns=2 * spec.span_ns)
    positions = [0.0] * len(config.joint_names)
    frames = itertools.count(1)

    def push() -> int:
        end_ns = next(frames) * dt_ns
        for stamp_ns in range(end_ns - dt_ns + JOINT_PERIOD_NS, end_ns + 1, JOINT_PERIOD_NS):
            builder.push_joints(stamp_ns, config.joint_names, positions)
        for camera, size in config.image_sizes.items():
            builder.push_image(camera, end_ns, np.zeros((*size, 3), np.uint8))
        return end_ns

    for _ in range(config.n_obs_steps):
        push()
    return lambda: builder.build(push())


def splice_run(config: PolicyConfig, away: float = 0.0) -> Run:
    """Join the next actions of an expert to the middle of its motion.

    :param away: distance of the actions from it [rad].
    """
    start, times, points = next_actions(config)
    return partial(follow, start, times, points + away, FR3_LIMITS)


def planning_run(config: PolicyConfig) -> Run:
    """Plan one chunk after the other, each as wavy as those of a network, in mid-motion."""
    begin, times, points = next_actions(config)
    caution = Caution(FR3.limits, PARAMETERS['limit_margin'].default)
    planner = Planner(FR3, caution, smoothing=OF_POLICIES)
    full, rng = Ramp(0, 1.0, 1.0, 0.0), np.random.default_rng(0)

    def run() -> ChunkPlan:
        wavy = points + rng.normal(0, _WAVE, points.shape)
        return planner.plan(begin, times, wavy, full, _MIDDLE_NS)

    return run


def next_actions(config: PolicyConfig) -> tuple[State, Array, Array]:
    """Return an expert's state in mid-motion, and its next actions with their times [s]."""
    motion = plan(sample_scene(0), 'left', np.random.default_rng(0))
    reference = TrajectoryReference(JOINT_NAMES, motion.positions[0])
    reference.accept(motion, 1)
    state = State(*(value[0] for value in reference.sample(np.array([_MIDDLE_NS]))))
    times = config.dt * np.arange(1, config.n_action_steps + 1)
    points = reference.sample(_MIDDLE_NS + (times * NS).astype(np.int64))[0]
    return state, times, points


def simulate(world: FrankaWorld, steps: int) -> None:
    """Hold the arm at the scene's start for ``steps`` milliseconds."""
    positions = np.tile(world.start_positions, (steps, 1))
    world.step(positions, np.zeros_like(positions))
