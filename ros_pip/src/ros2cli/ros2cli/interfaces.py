# SPDX-License-Identifier: Apache-2.0
"""Interface types by their names: classes and definition files."""

from importlib import import_module
from pathlib import Path
from typing import Any

from ament_index_python.packages import PackageNotFoundError, get_package_share_directory


def get_interface(name: str, kind: str) -> Any:
    """Import the class of `package/kind/Name` or `package/Name`.

    :param kind: ``msg``, ``srv`` or ``action``.
    :raises RuntimeError: for a type that does not exist here.
    """
    parts = name.split('/')
    if len(parts) == 2:
        parts.insert(1, kind)
    try:
        package, folder, base = parts
        if folder != kind:
            raise ValueError(name)
        return getattr(import_module(f'{package}.{folder}'), base)
    except (AttributeError, ImportError, ValueError):
        words = {'msg': 'message', 'srv': 'service', 'action': 'action'}
        raise RuntimeError(f'The passed {words[kind]} type is invalid') from None


def definition_path(name: str) -> Path:
    """Find the .msg, .srv or .action file of `package/kind/Name`.

    :raises LookupError: where package or file do not exist.
    """
    parts = name.split('/')
    if len(parts) != 3:
        raise LookupError(f"Invalid name '{name}'. Expected three parts separated by '/'")
    package, kind, base = parts
    try:
        share = Path(get_package_share_directory(package))
    except (PackageNotFoundError, ValueError):
        raise LookupError(f"Unknown package '{package}'") from None
    path = share / kind / f'{base}.{kind}'
    if not path.is_file():
        raise LookupError(f"Could not find the interface '{path}'")
    return path
