# SPDX-License-Identifier: Apache-2.0
"""Figures of smoothness: known answers, and what makes them worse."""

from dp_ros.robot.kinematics import inverse
from dp_ros.sim.expert_motion import down, minimum_jerk
from dp_ros.sim.scenarios.experts import expert_path
from dp_ros.sim.scenarios.pick_place.scenario import PICK_PLACE
from dp_ros.sim.scenarios.reach.scenario import REACH
from dp_ros.sim.world import READY
from dp_ros.tools.common.motion_figures import motion_figures, side_flips
from dp_ros.tools.common.smoothness import smoothness, until
import numpy as np
import pytest


def reach(duration=3.0, length=0.3, pause=0.0):
    """Return a straight minimum-jerk reach, and the rest before it."""
    times = np.arange(-pause, duration + 0.005, 0.01)
    return minimum_jerk(times / duration)[:, None] * np.array([length, 0.0, 0.0])


@pytest.mark.parametrize(('duration', 'length', 'pause'), [(3, 0.3, 0), (1.5, 0.05, 0), (3, 1, 2)])
def test_a_minimum_jerk_reach_has_the_known_figures(duration, length, pause):
    """The dimensionless jerk is 720 / 1.875², and the speed's spectrum has one shape."""
    figures = smoothness(reach(duration, length, pause))
    assert figures.ldlj == pytest.approx(-np.log(720 / 1.875**2), abs=0.1)
    assert figures.sparc == pytest.approx(-1.41, abs=0.02)  # as in Balasubramanian 2015
    assert figures.speed_peaks == 1
    assert figures.length == pytest.approx(length, rel=1e-3)


def test_each_submovement_is_a_peak():
    path = np.concatenate([reach(1.0), 0.3 * np.eye(3)[0] + reach(1.0)])
    figures, once = smoothness(path), smoothness(reach(1.0))
    assert figures.speed_peaks == 2
    assert figures.sparc < once.sparc and figures.ldlj < once.ldlj


def test_a_wave_on_the_path_costs_smoothness_and_length():
    path, times = reach(), np.arange(301) * 0.01
    wavy = path + 0.0016 * np.sin(2 * np.pi * 4 * times)[:, None] * np.array([0.0, 1.0, 0.0])
    figures, smooth = smoothness(wavy), smoothness(path)
    assert figures.ldlj < smooth.ldlj - 3
    assert figures.length > smooth.length


def test_a_ripple_of_the_speed_is_no_peak_but_a_dip_is():
    times = np.arange(0.0, 3.0, 0.01)
    for depth, peaks in ((0.02, 1), (0.2, 9)):
        speed = np.sin(np.pi * times / 3) + depth * np.sin(2 * np.pi * 3 * times)
        path = np.cumsum(speed)[:, None] * np.array([1e-3, 0.0, 0.0])
        assert smoothness(path).speed_peaks == pytest.approx(peaks, abs=peaks // 9)


@pytest.mark.parametrize('path', [np.zeros((500, 3)), np.zeros((0, 3)), reach()[:5]])
def test_what_does_not_move_has_no_figures(path):
    assert smoothness(path) is None


def test_a_path_ends_where_it_comes_near_the_goal():
    path = reach()
    near = until(path, path[-1], 0.02)
    assert np.linalg.norm(near[-1] - path[-1]) <= 0.02 < np.linalg.norm(near[-2] - path[-1])
    assert until(path, np.full(3, 9.0), 0.02) is path


def joints(path):
    """Return joint positions (n, 7) that put the TCP at points (n, 3)."""
    near, found = READY, []
    for point in path:
        near = inverse(point, near, down(0.0))
        found.append(near)
    return np.array(found)


def test_the_expert_compared_with_itself_is_its_equal():
    scene = REACH.sample(3)
    commands = np.repeat(joints(expert_path('reach', scene, 'left')), 10, axis=0)
    figures = motion_figures(REACH, scene, 'left', commands)
    assert figures.path_ratio == pytest.approx(1.0, abs=0.01)
    assert figures.ldlj == pytest.approx(figures.expert_ldlj, abs=0.2)
    assert figures.sparc == pytest.approx(figures.expert_sparc, abs=0.02)
    assert figures.speed_peaks == figures.expert_speed_peaks == 1


def test_a_motion_without_a_side_is_not_compared():
    scene = REACH.sample(3)
    assert motion_figures(REACH, scene, '', np.tile(READY, (3000, 1))) is None


def test_a_task_has_an_expert_for_each_of_its_sides():
    for scenario in (REACH, PICK_PLACE):
        paths = [expert_path(scenario.name, scenario.sample(1), side) for side in scenario.sides]
        assert all(smoothness(path) is not None for path in paths)
    assert expert_path('another', None, 'left') is None


def test_a_change_of_the_side_that_chunks_lead_to_is_counted():
    scene = REACH.sample(3)
    ways = {side: joints(expert_path('reach', scene, side)[:220:10]) for side in REACH.sides}
    assert {side: REACH.leads_to(scene, way) for side, way in ways.items()} == {
        'left': 'left',
        'right': 'right',
    }
    undecided = np.tile(ways['left'][0], (8, 1))
    chunks = [ways['left'], undecided, ways['left'], ways['right'], undecided, ways['left']]
    assert side_flips(REACH, scene, chunks) == 2
    past = joints(np.asarray(scene.goal_point)[None])
    assert side_flips(REACH, scene, [ways['left'], past, ways['left']]) == 0
