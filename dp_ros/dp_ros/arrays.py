# SPDX-License-Identifier: Apache-2.0
"""Names of array types for signatures."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
"""Numbers in double precision."""

Floats = NDArray[np.floating[Any]]
"""Numbers of any precision."""

Times = NDArray[np.int64]
"""Times in whole nanoseconds."""

Rgb = NDArray[np.uint8]
"""An image (H, W, 3), or several, red first."""
