# SPDX-License-Identifier: Apache-2.0
"""The denoising networks, one per module; a configuration chooses one by its name."""

from collections.abc import Mapping
from typing import Final

from dp_ros.policy.denoisers.denoiser import Denoiser
from dp_ros.policy.denoisers.lstm import Lstm
from dp_ros.policy.denoisers.transformer import Transformer
from dp_ros.policy.denoisers.unet import Unet

DENOISERS: Final[Mapping[str, type[Denoiser]]] = {
    kind.name: kind for kind in (Unet, Transformer, Lstm)
}
