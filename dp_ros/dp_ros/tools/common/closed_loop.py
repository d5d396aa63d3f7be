# SPDX-License-Identifier: Apache-2.0
"""The loop of the nodes without ROS: the same parts in simulated time, as fast as possible.

Latencies are settings here, not measured times, so a seed always gives the same episode. This is
for comparing policies; figures for a robot are measured through the nodes.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from dp_ros.arrays import Array
from dp_ros.control.executor.chunk import Chunk, ChunkRefused
from dp_ros.control.executor.chunk_executor import ChunkExecutor, ExecutorConfig
from dp_ros.control.executor.fit import OF_POLICIES
from dp_ros.data.windows.committed import CommittedActions
from dp_ros.data.windows.window import WindowBuilder, window_spec
from dp_ros.policy.policy import Policy, chunk_seed
from dp_ros.policy.prefix import longest_prefix
from dp_ros.robot.arm_model import FR3
from dp_ros.robot.kinematics import FINGER_NAMES, JOINT_NAMES
from dp_ros.robot.trajectory import Trajectory
from dp_ros.robot.units import MS, NS, to_ns
from dp_ros.sim.hand import SimulatedHand
from dp_ros.sim.judge import judge
from dp_ros.sim.scenario import AnyScenario
from dp_ros.sim.scenarios.registry import scenario_of
from dp_ros.sim.simulation import EpisodeState, Simulation
from dp_ros.sim.world import FrankaWorld
from dp_ros.tools.common.motion_figures import MotionFigures, motion_figures, side_flips
import numpy as np

_TICK_NS = 10 * MS


@dataclass(frozen=True)
class EpisodeOutcome:
    """Outcome of an episode.

    :param side: side that was taken, '' where that was left open.
    :param final_distance: distance from the goal at the end [m]; ``duration``: [s].
    :param judge_violations: number of samples of the 1 kHz commands that an FR3 would refuse.
    :param side_flips: how often the side that successive chunks lead to changed.
    :param motion: smoothness of the commands; None where there is nothing to compare with.
    """

    success: bool
    collision: bool
    side: str
    final_distance: float
    duration: float
    judge_violations: int
    side_flips: int
    motion: MotionFigures | None


class ClosedLoop:
    """Runs a policy on the simulated FR3, one episode after the other.

    :param latency: time from an observation to its chunk [s].
    :param chunk_period: time between two chunks [s].
    :param scenario: simulated side of the task; None: that of the policy's task.
    :param delay: time that is added to the latency [s], as a slower machine or network would.
    :param conditioning: how chunks follow what is committed until they join: ``none``,
        ``guided``, ``trained``, or ``auto`` (`policy.prefix`).
    :raises ConfigError: for a conditioning that the policy cannot do, or a task that the
        simulation does not have.
    """

    def __init__(
        self,
        policy: Policy,
        latency: float = 0.05,
        chunk_period: float = 0.5,
        scenario: AnyScenario | None = None,
        delay: float = 0.0,
        conditioning: str = 'none',
    ) -> None:
        config = policy.config
        self._policy = policy
        self._latency_ns = to_ns(latency + delay)
        self._period_ns = to_ns(chunk_period)
        self._dt_ns = to_ns(config.dt)
        self._spec = window_spec(config.task)
        self._settings = ExecutorConfig(
            n_action_steps=config.n_action_steps, smoothing=OF_POLICIES
        )
        self._conditioning = conditioning
        self._most = longest_prefix(config, conditioning)
        self._committed = CommittedActions(config.joint_names, config.dt)
        self._fingers = tuple(name for name in config.joint_names if name in FINGER_NAMES)
        scenario = scenario_of(config.task) if scenario is None else scenario
        self._world = FrankaWorld(scenario.sample(0), scenario)

    def close(self) -> None:
        """Free the renderers."""
        self._world.close()

    def run(
        self,
        seed: int,
        *,
        noise_seed: int | None = None,
        timeout: float = 15.0,
        sampler: str = 'auto',
        num_inference_steps: int = 10,
    ) -> EpisodeOutcome:
        """Run the episode of a scene until it is decided, or for ``timeout`` [s].

        :param seed: seed of the scene, and of the policy's noise without a ``noise_seed``.
        """
        noise_seed = seed if noise_seed is None else noise_seed
        start_ns = NS
        self._simulation = Simulation(self._world, start_ns)
        self._simulation.reset(self._world.scenario.sample(seed), start_ns)
        self._executor = ChunkExecutor(JOINT_NAMES, FR3, self._settings, self._fingers)
        self._hand = SimulatedHand()
        self._committed.forget()
        self._builder = WindowBuilder(self._spec, keep_ns=2 * self._spec.span_ns)
        self._next_ns = start_ns + self._spec.span_ns
        self._on_the_way: deque[Chunk] = deque()
        self._chunks: list[Array] = []
        while self._simulation.state is EpisodeState.RUNNING:
            now_ns = self._simulation.now_ns
            if now_ns - start_ns >= timeout * NS:
                break
            self._observe(now_ns, now_ns - start_ns)
            if now_ns >= self._next_ns and (now_ns - start_ns) % self._dt_ns == 0:
                noise = chunk_seed(noise_seed, len(self._chunks))
                self._infer(now_ns, noise, sampler, num_inference_steps)
            self._command(now_ns)
            self._simulation.advance(now_ns + _TICK_NS)
        return self._outcome()

    def _observe(self, now_ns: int, elapsed_ns: int) -> None:
        names, positions = (*JOINT_NAMES, *FINGER_NAMES), self._world.joint_positions.tolist()
        self._builder.push_joints(now_ns, names, positions)
        self._executor.on_joints(now_ns, now_ns, names, positions)
        if elapsed_ns % self._dt_ns == 0:
            for name, size in self._spec.image_sizes.items():
                self._builder.push_image(name, now_ns, self._world.render(name, *size))

    def _infer(self, now_ns: int, seed: int, sampler: str, num_inference_steps: int) -> None:
        window, config = self._builder.build(now_ns), self._policy.config
        observation = {'state': window.state, 'images': window.images}
        join_ns = now_ns + self._latency_ns + to_ns(self._settings.lead)
        inference = self._policy.infer(
            observation,
            seed,
            sampler=sampler,
            num_inference_steps=num_inference_steps,
            prefix=self._committed.until(now_ns, join_ns, self._most),
            conditioning=self._conditioning,
        )
        times = config.dt * np.arange(config.n_points, dtype=np.float64)
        chunk = Chunk(now_ns, config.joint_names, times, inference.actions[0])
        self._on_the_way.append(chunk)
        self._chunks.append(chunk.positions[:, : len(JOINT_NAMES)])
        self._next_ns = now_ns + self._period_ns

    def _command(self, now_ns: int) -> None:
        while self._on_the_way and now_ns >= self._on_the_way[0].stamp_ns + self._latency_ns:
            try:
                self._accept(self._executor.on_chunk(self._on_the_way.popleft(), now_ns))
            except ChunkRefused:
                pass  # As in the node: the last trajectory goes on and brakes.
        self._accept(self._executor.tick(now_ns))
        if self._fingers:
            self._command_fingers(now_ns)

    def _command_fingers(self, now_ns: int) -> None:
        target, self._executor.fingers = self._executor.fingers, None
        if target is not None:
            self._builder.push_command(now_ns, target)
            self._committed.accept(now_ns, target)
            self._hand.on_target(target, now_ns)
        width = float(self._world.joint_positions[len(JOINT_NAMES) :].sum())
        motion = self._hand.tick(now_ns, width)
        if motion is not None:
            self._simulation.accept_fingers(motion)

    def _accept(self, trajectory: Trajectory | None) -> None:
        if trajectory is not None:
            self._builder.push_command(self._simulation.now_ns, trajectory)
            self._committed.accept(self._simulation.now_ns, trajectory)
            self._simulation.accept(trajectory)

    def _outcome(self) -> EpisodeOutcome:
        simulation, world = self._simulation, self._world
        commands = simulation.log.read().positions
        return EpisodeOutcome(
            success=simulation.state is EpisodeState.SUCCESS,
            collision=simulation.state is EpisodeState.COLLISION,
            side=simulation.side,
            final_distance=world.distance,
            duration=(simulation.now_ns - simulation.start_ns) / NS,
            judge_violations=len(judge(commands)),
            side_flips=side_flips(world.scenario, world.scene, self._chunks),
            motion=motion_figures(world.scenario, world.scene, simulation.side, commands),
        )
