# SPDX-License-Identifier: Apache-2.0
"""Pictures for people: recorded joint positions with paths drawn into the scene.

They are slower and prettier than the cameras' images; no policy sees them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from dp_ros.arrays import Array, Rgb
from dp_ros.sim.model import VISUAL_GROUP, build_model
from dp_ros.sim.scenario import AnyScenario, Scene
import mujoco
import numpy as np

Colour = tuple[float, float, float, float]

_MAX_SHAPES: Final = 20_000


@dataclass(frozen=True)
class LineStrip:
    """A line through points (n, 3) in the base frame [m], ``width`` thick [m]."""

    points: Array
    colour: Colour
    width: float = 0.004


@dataclass(frozen=True)
class Spheres:
    """Balls at points (n, 3) in the base frame [m], ``width`` in diameter [m]."""

    points: Array
    colour: Colour
    width: float = 0.01


Shape = LineStrip | Spheres


@dataclass(frozen=True)
class Viewpoint:
    """A view of ``target`` [m] from ``distance`` [m], angles in degrees.

    :param azimuth: direction of view about z; 180: from the front towards the robot.
    """

    target: tuple[float, float, float]
    distance: float
    azimuth: float
    elevation: float


class VideoScene:
    """Draws the robot with its visual meshes, the scene, and shapes as in RViz.

    :param arm: whether to draw the robot; False: the scene and the shapes that it would hide.
    """

    def __init__(
        self,
        scenario: AnyScenario,
        height: int,
        width: int,
        view: Viewpoint,
        arm: bool = True,
    ) -> None:
        self._scenario = scenario
        self._model = build_model(scenario, visual=True)
        self._data = mujoco.MjData(self._model)
        self._renderer = mujoco.Renderer(self._model, height, width, max_geom=_MAX_SHAPES)
        self._renderer.scene.flags[mujoco.mjtRndFlag.mjRND_SHADOW] = 0
        self._renderer.scene.flags[mujoco.mjtRndFlag.mjRND_REFLECTION] = 0
        self._options = mujoco.MjvOption()
        self._options.geomgroup[VISUAL_GROUP] = arm
        if not arm:  # Seen from above, highlights would wash out the colours.
            self._model.light_specular[:] = self._model.vis.headlight.specular[:] = 0.0
        self._camera = mujoco.MjvCamera()
        self._camera.lookat[:] = view.target
        self._camera.distance = view.distance
        self._camera.azimuth, self._camera.elevation = view.azimuth, view.elevation

    def frame(
        self,
        scene: Scene,
        joint_positions: Array,
        shapes: Iterable[Shape] = (),
    ) -> Rgb:
        """Return one picture (height, width, 3), rgb.

        :param joint_positions: (7,) positions [rad], or (9,) with the fingers [m].
        """
        self._data.qpos[: len(joint_positions)] = joint_positions
        self._scenario.place(self._model, self._data, scene)
        mujoco.mj_forward(self._model, self._data)
        self._renderer.update_scene(self._data, self._camera, self._options)
        for shape in shapes:
            _draw(self._renderer.scene, shape)
        return self._renderer.render()

    def close(self) -> None:
        """Free the renderer."""
        self._renderer.close()


def _draw(scene: mujoco.MjvScene, shape: Shape) -> None:
    points = np.asarray(shape.points, dtype=np.float64)
    points = points[np.isfinite(points).all(axis=1)]
    if isinstance(shape, Spheres):
        for point in points:
            geom = _new_geom(scene, mujoco.mjtGeom.mjGEOM_SPHERE, shape)
            geom.pos = point
            geom.size[:] = shape.width / 2
        return
    for start, end in zip(points[:-1], points[1:], strict=True):
        geom = _new_geom(scene, mujoco.mjtGeom.mjGEOM_CAPSULE, shape)
        mujoco.mjv_connector(geom, mujoco.mjtGeom.mjGEOM_CAPSULE, shape.width / 2, start, end)


def _new_geom(scene: mujoco.MjvScene, kind: mujoco.mjtGeom, shape: Shape) -> mujoco.MjvGeom:
    if scene.ngeom >= scene.maxgeom:
        raise ValueError(f'more than {_MAX_SHAPES} shapes in one picture')
    geom = scene.geoms[scene.ngeom]
    colour = np.asarray(shape.colour, dtype=np.float32)
    mujoco.mjv_initGeom(geom, kind, np.zeros(3), np.zeros(3), np.eye(3).ravel(), colour)
    geom.emission, geom.specular = 0.15, 0.0
    scene.ngeom += 1
    return geom
