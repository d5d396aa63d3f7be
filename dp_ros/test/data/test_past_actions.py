# SPDX-License-Identifier: Apache-2.0
"""A state that holds what the joints were commanded, beside what was measured."""

import bag_maker
from dp_ros.data.bags.bag import BagTopics
from dp_ros.data.datasets.dataset import load_dataset
from dp_ros.data.windows.window import ActionSpec, Refusal
from dp_ros.nodes.policy.messages import observation_from_msg
from dp_ros.policy.checkpoint import load_policy
from dp_ros.policy.policy import Inference
from dp_ros.task.task import OBSERVATIONS
from dp_ros.tools.common.closed_loop import ClosedLoop
from dp_ros_msgs.msg import Observation
import numpy as np
import pytest
import tiny_policy

CONFIG = tiny_policy.changed(image_sizes={}, observations=OBSERVATIONS)
TOPICS = BagTopics(trajectories=bag_maker.TRAJECTORY)


def message(**changes):
    values = {
        'dt': CONFIG.dt,
        'n_obs_steps': 2,
        'joint_names': [*reversed(CONFIG.joint_names)],
        'joint_positions': np.arange(14.0),
        'commanded_positions': np.arange(14.0) + 100,
    }
    return Observation(**values | changes)


def test_an_observation_gives_both_in_the_joints_order():
    state = observation_from_msg(message(), CONFIG)['state']
    measured = np.arange(14.0).reshape(2, 7)[:, ::-1]
    np.testing.assert_array_equal(state, np.hstack([measured, measured + 100]))
    without = observation_from_msg(message(), tiny_policy.changed(image_sizes={}))['state']
    np.testing.assert_array_equal(without, measured)


def test_an_observation_without_commands_is_refused():
    with pytest.raises(Refusal, match='0 commanded_positions, needs 14'):
        observation_from_msg(message(commanded_positions=[]), CONFIG)


def test_training_sees_at_a_frame_the_action_that_is_due_at_it(tmp_path):
    rows = bag_maker.episode()
    command = bag_maker.trajectory(0, [0.3, 0.6], [[1.0, 2.0], [3.0, 4.0]])
    rows.insert(20, (bag_maker.TRAJECTORY, rows[20][1], command))
    bag_maker.write(tmp_path / 'bag', rows)
    found, _ = load_dataset(
        tmp_path, bag_maker.spec(past_actions=True), TOPICS, ActionSpec(2, 8, 6)
    )
    measured, commanded = found.state[..., :2], found.state[..., 2:]
    np.testing.assert_allclose(commanded, found.actions[:, :2], atol=1e-5)
    assert (measured - commanded).abs().max() > 1.0


def test_the_loop_shows_the_policy_what_it_commanded(tmp_path):
    folder = tiny_policy.checkpoint(tmp_path, observations=OBSERVATIONS, name='reach')
    policy = load_policy(folder, engine='torch')
    seen = []

    def go_on(observation, seed, **options):
        seen.append(observation['state'])
        ramp = 0.02 * np.arange(CONFIG.n_points)[:, None]
        return Inference((seen[-1][-1, :7] + ramp)[None], None)

    policy.infer = go_on
    loop = ClosedLoop(policy)
    try:
        loop.run(0, timeout=3.0)
    finally:
        loop.close()
    off = np.array([np.abs(state[:, 7:] - state[:, :7]).max() for state in seen])
    assert off[0] == 0.0
    assert 1e-5 < off[1:].max() < 0.15
