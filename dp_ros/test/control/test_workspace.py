# SPDX-License-Identifier: Apache-2.0
"""The TCP stays in its box: what would leave it is followed up to the border, and no further."""

from dp_ros.control.executor.chunk import ChunkRefused
from dp_ros.control.executor.chunk_executor import Phase
from dp_ros.control.executor.workspace import Workspace
from dp_ros.robot.kinematics import forward, inverse
from fake_arm import HOME, TIMES, Arm
import numpy as np
import pytest

TCP = forward(HOME)
LOW = tuple(TCP - 0.3)
FRONT = float(TCP[0] + 0.08)
BOX = Workspace(LOW, (FRONT, *(TCP[1:] + 0.3)))


def along_x(arm, speed):
    """Return joint positions that move the TCP along x from where it is [m/s]."""
    joints = arm.state()[0]
    start = forward(joints)
    path = []
    for time in TIMES:
        joints = inverse(start + [speed * time, 0, 0], joints)
        path.append(joints)
    return np.array(path)


def led(arm, speed, n_chunks):
    for _ in range(n_chunks):
        try:
            arm.follow(positions=along_x(arm, speed))
        except ChunkRefused as refused:
            arm.refused = str(refused)
        arm.run(0.4)


@pytest.mark.parametrize('speed', [0.05, 0.2])
def test_the_arm_brakes_at_the_border_stays_inside_and_may_come_back(speed):
    arm = Arm(workspace=BOX).run(0.1)
    led(arm, speed, 8)
    arm.run(1.0)
    tcp = forward(arm.assert_accepted())[:, 0]
    assert tcp.max() < FRONT + 1e-4
    assert tcp[-1] > FRONT - 0.04, 'it came near the border'
    assert arm.refused == f'TCP would leave the workspace at x = {FRONT:g} m'
    arm.assert_at_rest()
    assert arm.core.counts.refused > 0
    led(arm, -speed, 2)
    assert arm.core.reason == 'following a chunk'
    assert forward(arm.state()[0])[0] < tcp[-1] - 0.01


def test_a_chunk_that_crosses_the_border_is_followed_up_to_it_and_says_so():
    arm = Arm(workspace=BOX).run(0.1)
    trajectory = arm.follow(positions=along_x(arm, 0.2))
    assert forward(trajectory.positions)[:, 0].max() < FRONT
    assert forward(trajectory.positions)[-1, 0] > TCP[0] + 0.02
    reason = f'following a chunk up to the border of the workspace, x = {FRONT:g} m, 0.3 rad off'
    assert (arm.core.phase, arm.core.reason) == (Phase.RUNNING, reason)
    assert (arm.core.counts.executed, arm.core.counts.approached) == (0, 1)


def test_where_the_tcp_is_outside_nothing_is_followed_and_the_message_says_where():
    box = Workspace(LOW, (*TCP[:2] + 0.1, TCP[2] - 0.05))
    arm = Arm(workspace=box).run(0.1)
    said = arm.refusal(positions=along_x(arm, 0.05))
    assert said.startswith(
        f'TCP at {TCP.round(3).tolist()} m is outside the workspace, beyond z = '
    )
    assert 'move the arm inside, or change workspace_low and workspace_high' in said
    arm.run(0.5)
    assert np.ptp(arm.assert_accepted(), axis=0).max() == 0


@pytest.mark.parametrize(
    ('low', 'high', 'reason'),
    [
        ((0.5, 0, 0), (0.2, 1, 1), 'workspace_low is 0.5 m and workspace_high 0.2 m in x'),
        ((0, 0, 0), (1, 0, 1), 'in y: needs the lower one first'),
        ((0, 0), (1, 1, 1), 'each needs x, y and z'),
    ],
)
def test_a_box_without_room_is_refused_by_name(low, high, reason):
    with pytest.raises(ValueError, match=reason):
        Workspace(low, high)


def test_a_plan_of_many_points_is_cut_in_few_tries(monkeypatch):
    """Each try solves for a motion; the executor has tens of milliseconds."""
    tries = []
    see = Workspace.crossing
    monkeypatch.setattr(Workspace, 'crossing', lambda box, q: tries.append(len(q)) or see(box, q))
    arm = Arm(workspace=BOX, n_action_steps=14).run(0.1)
    arm.follow(positions=along_x(arm, 0.2))
    assert len(tries) <= 6
