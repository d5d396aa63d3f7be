# SPDX-License-Identifier: Apache-2.0
"""The methods that learn chunks, a module each; a configuration chooses one by its name."""

from collections.abc import Mapping
from typing import Final

from dp_ros.policy.methods.diffusion import Diffusion
from dp_ros.policy.methods.method import Method
from dp_ros.policy.methods.regression import Regression

METHODS: Final[Mapping[str, type[Method]]] = {kind.name: kind for kind in (Diffusion, Regression)}
