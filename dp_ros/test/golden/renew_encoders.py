# SPDX-License-Identifier: Apache-2.0
"""Golden numbers of the image encoders, from torchvision's ResNet and timm's DINOv2.

Neither is a dependency: `pip install --no-deps --target DIR torchvision timm huggingface_hub`,
then `PYTHONPATH=DIR:$PYTHONPATH python dp_ros/test/golden/renew_encoders.py`.
"""

import json
from pathlib import Path

import torch
from torch import nn

FILE = Path(__file__).with_name('encoders.json')


def fill(network):
    """Set the weights by a formula of their sorted names, norms near 1."""
    with torch.no_grad():
        for name, value in sorted(network.state_dict().items()):
            index = torch.arange(value.numel(), dtype=torch.float64) + len(name)
            value.copy_((torch.sin(index) * 0.1 + (value.ndim == 1)).reshape(value.shape))
    return network.eval()


def pixels(*shape):
    """Make an image (1, 3, H, W) by a formula."""
    return torch.cos(torch.arange(torch.Size(shape).numel()) * 0.37).reshape(shape)


def resnet(depth):
    """Return how many tensors the trunk has, and the mean of each map of its last stage."""
    from torchvision import models

    made = getattr(models, f'resnet{depth}')(norm_layer=lambda n: nn.GroupNorm(n // 16, n))
    made.avgpool = made.fc = nn.Identity()
    maps = fill(made)(pixels(1, 3, 40, 56)).reshape(1, 512, 2, 2)
    return {'n_tensors': len(made.state_dict()), 'means': numbers(maps.mean(dim=(0, 2, 3)))}


def vit():
    """Return the names of the tensors, and the feature."""
    import timm

    made = timm.models.vision_transformer.VisionTransformer(
        36, 6, num_classes=0, embed_dim=24, depth=2, num_heads=3, init_values=1.0
    )
    feature = fill(made)(pixels(1, 3, 36, 36))[0]
    return {'tensors': sorted(made.state_dict()), 'feature': numbers(feature)}


def numbers(values):
    """Round to what float32 holds."""
    return [float(f'{value:.7g}') for value in values.tolist()]


def main():
    """Write the file."""
    # torchvision's kernels are compiled for one torch; naming them is enough for its networks.
    library = torch.library.Library('torchvision', 'FRAGMENT')
    for name in ('nms', 'qnms'):
        library.define(f'{name}(Tensor boxes, Tensor scores, float threshold) -> Tensor')
    with torch.no_grad():
        found = {'resnet18': resnet(18), 'resnet34': resnet(34), 'vit': vit()}
    FILE.write_text(json.dumps(found) + '\n')


if __name__ == '__main__':
    main()
