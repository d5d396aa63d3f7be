# SPDX-License-Identifier: Apache-2.0
"""The robot in the scene: its links with meshes, or lines between them, and a ghost of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from dp_ros.arrays import Array
from dp_ros.nodes.view.link_tree import LinkTree
from dp_ros.nodes.view.meshes import Mesh, MeshError, coarse, read_meshes
from dp_ros.robot.chain import quaternion
import numpy as np

_BONE: Final = (90, 100, 115)
_GHOST: Final = (64, 145, 255)
_GHOST_OPACITY: Final = 0.35
_STILL: Final = 2e-4  # What no eye sees [m], [rad].


class ArmView:
    """Draws one robot; the scene's frame is the root of its description.

    :param tree: its links.
    :param opacity: 0 to 1; below 1 the paths shine through.
    """

    def __init__(self, scene: Any, tree: LinkTree, opacity: float) -> None:
        self._scene, self._tree, self._opacity = scene, tree, opacity
        self._links: dict[str, Any] = {}
        self._ghosts: dict[str, Any] = {}
        self._parts: list[Any] = []
        self._shown: dict[str, Array] = {}
        self._bones: Any = None
        self._with_meshes: set[str] = set()
        self.missing: list[str] = []
        for link in tree.shapes:
            self._links[link] = scene.add_frame(f'/arm/{link}', show_axes=False)
            self._ghosts[link] = scene.add_frame(f'/ghost/{link}', show_axes=False)
        self.show_ghost(False)
        self.show({})

    def load(self) -> None:
        """Read and draw the meshes; takes a second or two, in any thread."""
        for link, shapes in self._tree.shapes.items():
            meshes: list[Mesh] = []
            for shape in shapes:
                try:
                    meshes += read_meshes(shape)
                except MeshError as error:
                    self.missing.append(str(error))
            self._add(link, meshes)
        if self._with_meshes:
            self._drop_bones()
        else:
            self._add_frames()

    def show(self, positions: Mapping[str, float]) -> None:
        """Move the arm to joint positions by name."""
        poses = self._tree.poses(positions)
        for link, pose in poses.items():
            before = self._shown.get(link)
            if before is None or np.abs(pose - before).max() > _STILL:
                self._shown[link] = pose
                _place(self._links[link], pose)
        if not self._with_meshes:
            self._draw_bones(poses)

    def show_ghost(self, visible: bool, positions: Mapping[str, float] | None = None) -> None:
        """Move the ghost to joint positions, or hide it."""
        for link, pose in (self._tree.poses(positions) if positions else {}).items():
            _place(self._ghosts[link], pose)
        for frame in self._ghosts.values():
            frame.visible = visible

    def set_opacity(self, opacity: float) -> None:
        """Make the arm more or less transparent."""
        self._opacity = opacity
        for part in self._parts:
            part.opacity = _opacity(opacity)

    def remove(self) -> None:
        """Remove everything from the scene."""
        for frame in (*self._links.values(), *self._ghosts.values()):
            frame.remove()
        self._drop_bones()

    def _add(self, link: str, meshes: list[Mesh]) -> None:
        for number, mesh in enumerate(meshes):
            self._with_meshes.add(link)
            self._parts.append(
                self._scene.add_mesh_simple(
                    f'/arm/{link}/{number}',
                    mesh.vertices,
                    mesh.faces,
                    color=mesh.colour,
                    opacity=_opacity(self._opacity),
                    side='double',
                )
            )
        ghost = coarse(meshes)
        if ghost is not None:
            self._scene.add_mesh_simple(
                f'/ghost/{link}/0',
                ghost.vertices,
                ghost.faces,
                color=_GHOST,
                opacity=_GHOST_OPACITY,
                cast_shadow=False,
                receive_shadow=False,
            )

    def _add_frames(self) -> None:
        for link in self._tree.shapes:
            self._scene.add_frame(f'/arm/{link}/axes', axes_length=0.06, axes_radius=0.004)

    def _drop_bones(self) -> None:
        if self._bones is not None:
            self._bones.remove()
            self._bones = None

    def _draw_bones(self, poses: Mapping[str, Array]) -> None:
        """Draw a line from each link to its parent."""
        lines = [
            (poses[parent][:3, 3], poses[link][:3, 3])
            for link, parent in self._tree.parents.items()
        ]
        if not lines:
            return
        points = np.array(lines, dtype=np.float32)
        if self._bones is None:
            self._bones = self._scene.add_line_segments(
                '/bones', points, colors=_BONE, thickness=6.0, thickness_units='screen'
            )
        else:
            self._bones.points = points


def _opacity(value: float) -> float | None:
    """Return the opacity; what is opaque hides what is behind it."""
    return None if value >= 1.0 else value


def _place(frame: Any, pose: Array) -> None:
    frame.position = pose[:3, 3]
    frame.wxyz = quaternion(pose[:3, :3])
