# SPDX-License-Identifier: Apache-2.0
"""Packages of the ament index and their executables."""

import os
from pathlib import Path

from ament_index_python.packages import PackageNotFoundError, get_package_prefix


def executable_paths(package: str) -> list[Path]:
    """List the executables under a package's `lib/<package>`.

    :raises RuntimeError: for a package that is not in the index.
    """
    try:
        prefix = get_package_prefix(package)
    except (PackageNotFoundError, ValueError):
        raise RuntimeError(f"Package '{package}' not found") from None
    found = []
    for folder, subfolders, files in os.walk(Path(prefix, 'lib', package)):
        subfolders[:] = [name for name in subfolders if not name.startswith('.')]
        found += [path for path in (Path(folder, f) for f in files) if os.access(path, os.X_OK)]
    return sorted(found)
