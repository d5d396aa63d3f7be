# SPDX-License-Identifier: Apache-2.0
"""The MuJoCo model: the FR3 of the package franky-sim on a table, with the objects of a task."""

from __future__ import annotations

from importlib import metadata
from pathlib import Path
from typing import Final

from dp_ros.sim.scenario import AnyScenario, SimCamera
import mujoco
import numpy as np

FINGER_OPEN: Final = 0.04
HULL_GROUP: Final = 3
VISUAL_GROUP: Final = 2

_HULL_COLOUR: Final = (0.92, 0.92, 0.95, 1.0)
_TABLE_COLOUR: Final = (0.36, 0.34, 0.33, 1.0)


def build_model(scenario: AnyScenario, visual: bool = False) -> mujoco.MjModel:
    """Compile the model.

    :param visual: whether to draw the robot's visual meshes; False: its collision hulls in white,
        sixty times faster.
    """
    folder = assets()
    spec = mujoco.MjSpec.from_file(str(folder / 'fr3.xml'))
    spec.meshdir = str(folder / 'meshes')
    for key in list(spec.keys):
        spec.delete(key)
    for body in spec.bodies:
        body.gravcomp = float(body.name != 'world')
        if not visual:
            _show_hulls(spec, body)
    _strengthen_hand(spec.actuator('hand'))
    _add_table(spec.worldbody)
    scenario.furnish(spec)
    _add_light(spec.worldbody)
    for name, camera in scenario.cameras.items():
        _add_camera(spec, name, camera)
    spec.visual.quality.offsamples = 0
    if visual:
        _beautify(spec)
    spec.visual.headlight.ambient = [0.4, 0.4, 0.4]
    spec.visual.map.znear = 0.01
    spec.visual.global_.offwidth, spec.visual.global_.offheight = 1920, 1080
    return spec.compile()


def _beautify(spec: mujoco.MjSpec) -> None:
    """Set smooth edges, a bright background, and coarser balls for drawn lines."""
    spec.visual.quality.offsamples = 4
    spec.visual.quality.numstacks = 6
    spec.add_texture(
        name='sky',
        type=mujoco.mjtTexture.mjTEXTURE_SKYBOX,
        builtin=mujoco.mjtBuiltin.mjBUILTIN_GRADIENT,
        rgb1=[0.95, 0.96, 0.98],
        rgb2=[0.72, 0.77, 0.84],
        width=128,
        height=768,
    )


def assets() -> Path:
    """Return the folder of the FR3 model, installed with the package franky-sim."""
    files = metadata.files('franky-sim') or []
    for file in files:
        if file.name == 'fr3.xml':
            return Path(str(file.locate())).parent
    raise FileNotFoundError('fr3.xml: the package franky-sim is not installed completely')


def _show_hulls(spec: mujoco.MjSpec, body: mujoco.MjsBody) -> None:
    for geom in list(body.geoms):
        if geom.group == VISUAL_GROUP:
            spec.delete(geom)
        elif geom.group == HULL_GROUP:
            geom.rgba = _HULL_COLOUR
            geom.material = ''


def _strengthen_hand(servo: mujoco.MjsActuator) -> None:
    """Let the fingers follow their commands; the original servo takes ten seconds."""
    servo.gainprm[0] *= 100
    servo.biasprm[1] *= 100
    servo.biasprm[2] *= 10


def _add_table(world: mujoco.MjsBody) -> None:
    world.add_geom(
        name='table',
        type=mujoco.mjtGeom.mjGEOM_BOX,
        size=[0.7, 0.7, 0.02],
        pos=[0.65, 0, -0.02],
        rgba=_TABLE_COLOUR,
    )


def _add_light(world: mujoco.MjsBody) -> None:
    world.add_light(
        pos=[0.8, 0.3, 2],
        dir=[-0.1, -0.1, -1],
        type=mujoco.mjtLightType.mjLIGHT_DIRECTIONAL,
        castshadow=True,
    )


def _add_camera(spec: mujoco.MjSpec, name: str, camera: SimCamera) -> None:
    quaternion = np.zeros(4)
    mujoco.mju_mat2Quat(quaternion, camera.rotation().ravel())
    parent = spec.worldbody if camera.body == 'world' else spec.body(camera.body)
    parent.add_camera(name=name, pos=camera.eye, quat=quaternion, fovy=camera.fovy)
