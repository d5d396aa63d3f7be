# SPDX-License-Identifier: Apache-2.0
"""Mapping from the weights' names of other libraries to ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
import re
from typing import Final

from torch import Tensor

Renaming = Sequence[tuple[str, str]]
"""Patterns and their replacements, applied in order."""

UNET: Final[Renaming] = (
    (r'^diffusion_step_encoder\.1\.', 'timestep.layers.0.'),
    (r'^diffusion_step_encoder\.3\.', 'timestep.layers.2.'),
    (r'^down_modules\.(\d+)\.2\.(conv\.)?', r'shrink.\1.'),
    (r'^up_modules\.(\d+)\.2\.(conv\.)?', r'grow.\1.'),
    (r'^(down|up)_modules\.(\d+)\.0\.', r'\1.\2.first.'),
    (r'^(down|up)_modules\.(\d+)\.1\.', r'\1.\2.second.'),
    (r'^mid_modules\.0\.', 'middle.first.'),
    (r'^mid_modules\.1\.', 'middle.second.'),
    (r'\.(blocks\.0|conv1)\.block\.', '.first.'),
    (r'\.(blocks\.1|conv2)\.block\.', '.second.'),
    (r'\.cond_encoder\.', '.film.'),
    (r'\.residual_conv\.', '.around.'),
    (r'^final_conv\.0\.block\.', 'out.0.'),
    (r'^final_conv\.1\.', 'out.1.'),
)
TRANSFORMER: Final[Renaming] = (
    (r'^pos_emb$', 'positions'),
    (r'^cond_pos_emb$', 'cond_positions'),
    (r'^input_emb\.', 'actions.'),
    (r'^cond_obs_emb\.', 'frames.'),
    (r'^encoder\.layers\.', 'encoder.'),
    (r'^decoder\.layers\.', 'layers.'),
    (r'^ln_f\.', 'norm.'),
    (r'\.self_attn\.', '.among.'),
    (r'\.multihead_attn\.', '.across.'),
    (r'\.out_proj\.', '.out.'),
    (r'\.in_proj_', '.in.'),
    (r'\.linear1\.', '.feed.0.'),
    (r'\.linear2\.', '.feed.3.'),
    (r'\.norm1\.', '.norms.0.'),
    (r'\.norm2\.', '.norms.1.'),
    (r'\.norm3\.', '.norms.2.'),
)
# torchvision's ResNet as LeRobot holds it, by the indices of its children.
RESNET: Final[Renaming] = (
    (r'^backbone\.0\.', 'backbone.conv1.'),
    (r'^backbone\.1\.', 'backbone.bn1.'),
    (r'^backbone\.4\.', 'backbone.layer1.'),
    (r'^backbone\.5\.', 'backbone.layer2.'),
    (r'^backbone\.6\.', 'backbone.layer3.'),
    (r'^backbone\.7\.', 'backbone.layer4.'),
    (r'^pool\.nets\.', 'keypoints.'),
)
# robomimic's VisualCore of a ResNet and a spatial softmax, below `obs_nets.CAMERA.nets.`.
VISUAL_CORE: Final[Renaming] = (
    (r'^0\.nets\.', 'backbone.'),
    *RESNET[:-1],
    (r'^1\.nets\.', 'keypoints.'),
    (r'^3\.', 'out.'),
)
# Entries of other libraries that are no weights: masks, grids, counts, an unused parameter.
_EXTRA: Final = re.compile(
    r'(^|\.)(_dummy_variable|mask|memory_mask|pos_grid|num_batches_tracked|pos_[xy])$'
)


def rename(tensors: Mapping[str, Tensor], renaming: Renaming) -> dict[str, Tensor]:
    """Return weights under our names, with attention's input projections split."""
    found: dict[str, Tensor] = {}
    for name, value in tensors.items():
        if _EXTRA.search(name):
            continue
        for pattern, ours in renaming:
            name = re.sub(pattern, ours, name)
        owner, packed, kind = name.partition('.in.')
        if packed and value.dim():
            third = len(value) // 3
            found[f'{owner}.query.{kind}'] = value[:third]
            found[f'{owner}.key_value.{kind}'] = value[third:]
        else:
            found[name] = value
    return found


def below(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """Return the weights whose names begin with a prefix, without it."""
    return {
        name.removeprefix(prefix): value
        for name, value in tensors.items()
        if name.startswith(prefix)
    }
