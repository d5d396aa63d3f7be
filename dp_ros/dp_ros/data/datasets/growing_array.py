# SPDX-License-Identifier: Apache-2.0
"""An array that grows in place, without a second copy of its rows in memory."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


class GrowingArray:
    """Rows of one shape.

    :param shape: shape of a row.
    """

    def __init__(self, shape: tuple[int, ...], dtype: DTypeLike) -> None:
        self.values: NDArray[Any] = np.empty((0, *shape), dtype)

    def extend(self, rows: NDArray[Any]) -> int:
        """Add rows (n, …) at the end; return the index of the first. No view may be in use."""
        start = len(self.values)
        # Concatenating would hold all rows twice; realloc of a large block only remaps its pages.
        self.values.resize((start + len(rows), *self.values.shape[1:]), refcheck=False)
        self.values[start:] = rows
        return start
