# SPDX-License-Identifier: Apache-2.0
"""Pictures for people show the scene and the paths drawn in."""

from dp_ros.sim.render import LineStrip, Spheres, VideoScene, Viewpoint
from dp_ros.sim.scenarios.reach.scenario import REACH
from dp_ros.sim.world import READY
import numpy as np
import pytest

SCENE = REACH.sample(0)
ABOVE = Viewpoint((0.52, 0.0, 0.0), 0.85, 180.0, -89.0)
BLUE = (0.0, 0.0, 1.0, 1.0)
PATH = np.array([[0.6, -0.15, 0.2], [0.6, 0.0, 0.2], [0.6, 0.15, 0.2]])


@pytest.fixture(scope='module')
def video():
    made = VideoScene(REACH, 120, 160, view=ABOVE)
    yield made
    made.close()


def blue(image):
    rgb = image.astype(int)
    return ((rgb[..., 2] > 150) & (rgb[..., 0] < 100) & (rgb[..., 1] < 100)).sum()


@pytest.mark.parametrize('shape', [LineStrip, Spheres])
def test_shapes_are_drawn(video, shape):
    assert blue(video.frame(SCENE, READY)) == 0
    assert blue(video.frame(SCENE, READY, [shape(PATH, BLUE, 0.03)])) > 20


def test_points_that_are_not_finite_are_left_out(video):
    path = np.vstack([PATH, np.full((1, 3), np.nan)])
    whole = video.frame(SCENE, READY, [LineStrip(PATH, BLUE, 0.03)])
    np.testing.assert_array_equal(video.frame(SCENE, READY, [LineStrip(path, BLUE, 0.03)]), whole)


def test_a_picture_shows_where_the_arm_and_the_goal_are(video):
    moved = SCENE.with_goal((0.72, 0.1))
    first, second = video.frame(SCENE, READY), video.frame(moved, READY)
    third = video.frame(moved, READY + 0.2)
    assert first.shape == (120, 160, 3)
    assert not np.array_equal(first, second)
    assert not np.array_equal(second, third)
