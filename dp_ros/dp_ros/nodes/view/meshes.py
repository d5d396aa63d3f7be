# SPDX-License-Identifier: Apache-2.0
"""Reading of the meshes that a robot description names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlparse

from ament_index_python.packages import PackageNotFoundError, get_package_share_directory
from dp_ros.arrays import Array
from dp_ros.nodes.view.link_tree import GREY, Shape
import numpy as np
from numpy.typing import NDArray

_KINDS: Final = ('.dae', '.stl', '.obj', '.ply')
_LARGEST: Final = 100_000_000
_GRID: Final = 0.0006  # Vertices closer than this become one [m].
_COARSE: Final = 0.004


class MeshError(ValueError):
    """A mesh cannot be drawn; the message says why."""


@dataclass(frozen=True)
class Mesh:
    """Triangles of one colour, in the frame of their link.

    :param vertices: (n, 3) [m]; ``faces``: (m, 3) indices.
    """

    vertices: Array
    faces: NDArray[Any]
    colour: tuple[int, int, int]


def path_of(address: str) -> Path:
    """Return the file that an address of a description names.

    :raises MeshError: when there is none here, or none that is a mesh.
    """
    url = urlparse(address)
    if url.scheme == 'package':
        try:
            share = get_package_share_directory(url.netloc)
        except (PackageNotFoundError, ValueError):
            raise MeshError(f'{address}: the package {url.netloc} is not here') from None
        path = Path(share + unquote(url.path))
    elif url.scheme in ('', 'file'):
        path = Path(unquote(url.path))
    else:
        raise MeshError(f'{address}: neither a file nor of a package')
    if path.suffix.lower() not in _KINDS:
        raise MeshError(f'{address}: needs one of {", ".join(_KINDS)}')
    if not path.is_file():
        raise MeshError(f'{address}: no such file')
    if path.stat().st_size > _LARGEST:
        raise MeshError(f'{address}: over {_LARGEST // 1_000_000} MB')
    return path


def read_meshes(shape: Shape) -> list[Mesh]:
    """Return the triangles of a shape, in its link's frame.

    :raises MeshError: when they cannot be read.
    """
    import trimesh

    if shape.kind == 'mesh':
        file = path_of(shape.file)
        try:
            loaded = trimesh.load_scene(file)
            parts = loaded.dump()
        except Exception as error:  # Readers of foreign files raise anything.
            raise MeshError(f'{shape.file}: {type(error).__name__}: {error}') from error
        scale = np.array(shape.size)
    else:
        parts = [_solid(trimesh, shape)]
        scale = np.ones(3)
    colours: dict[tuple[int, int, int], list[Any]] = {}
    for part in parts:
        if hasattr(part, 'faces') and len(part.faces):
            colours.setdefault(shape.colour or _colour_of(part), []).append(part)
    meshes = []
    for colour, several in colours.items():
        vertices, faces = _joined([(np.asarray(p.vertices), np.asarray(p.faces)) for p in several])
        vertices = vertices * scale @ shape.pose[:3, :3].T + shape.pose[:3, 3]
        meshes.append(Mesh(*_welded(vertices, faces, _GRID), colour))
    return meshes


def coarse(meshes: list[Mesh]) -> Mesh | None:
    """Return meshes as one of few triangles, for what is drawn as a shadow of the robot."""
    if not meshes:
        return None
    vertices, faces = _joined([(mesh.vertices, mesh.faces) for mesh in meshes])
    return Mesh(*_welded(vertices, faces, _COARSE), GREY)


def _solid(trimesh: Any, shape: Shape) -> Any:
    if shape.kind == 'box':
        return trimesh.creation.box(extents=shape.size)
    if shape.kind == 'sphere':
        return trimesh.creation.icosphere(radius=shape.size[0])
    return trimesh.creation.cylinder(radius=shape.size[0], height=shape.size[2])


def _colour_of(part: Any) -> tuple[int, int, int]:
    colour = getattr(getattr(part.visual, 'material', None), 'main_color', None)
    if colour is None:
        return GREY
    r, g, b = (int(value) for value in colour[:3])
    return r, g, b


def _joined(parts: list[tuple[Array, NDArray[Any]]]) -> tuple[Array, NDArray[Any]]:
    before = np.cumsum([0, *(len(vertices) for vertices, _ in parts)])
    faces = [faces + offset for (_, faces), offset in zip(parts, before, strict=False)]
    return np.vstack([vertices for vertices, _ in parts]), np.vstack(faces)


def _welded(vertices: Array, faces: NDArray[Any], grid: float) -> tuple[Array, NDArray[Any]]:
    """Return a mesh in which vertices of one cell of a grid are one; faces without area go."""
    cells = np.round(vertices / grid).astype(np.int64)
    _, first, inverse = np.unique(cells, axis=0, return_index=True, return_inverse=True)
    faces = inverse.reshape(-1)[faces]
    a, b, c = faces.T
    faces = faces[(a != b) & (b != c) & (c != a)]
    return vertices[first], np.unique(faces, axis=0)
