# SPDX-License-Identifier: Apache-2.0
"""The methods that learn chunks, one per module; a configuration chooses one by its name."""

from collections.abc import Mapping
from typing import Final

from dp_ros.policy.methods.act import Act
from dp_ros.policy.methods.consistency import Consistency
from dp_ros.policy.methods.diffusion import Diffusion
from dp_ros.policy.methods.flow_matching import FlowMatching
from dp_ros.policy.methods.gan import Gan
from dp_ros.policy.methods.gaussian import Gaussian
from dp_ros.policy.methods.method import Method
from dp_ros.policy.methods.mixture import Mixture
from dp_ros.policy.methods.regression import Regression

METHODS: Final[Mapping[str, type[Method]]] = {
    kind.name: kind
    for kind in (
        Diffusion,
        FlowMatching,
        Consistency,
        Regression,
        Gaussian,
        Mixture,
        Gan,
        Act,
    )
}
