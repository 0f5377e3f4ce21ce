"""Small networks and random clips, shared by the tests of backbones."""

import torch

from zssar import plugins
from zssar.skeleton.layouts import layout

NETWORKS = plugins.names("backbones")
# Small versions, so that all layouts fit into seconds; the published sizes are tested by their parameter counts.
SMALL = {name: {"widths": [[8, 1], [16, 2]]} for name in NETWORKS}
SMALL["posec3d"] = {"size": 16, "width": 4, "blocks": [1, 1]}
GRAPHS = [name for name in NETWORKS if name != "posec3d"]


def make(name, of="kinect25", in_channels=3, classes=5, bodies=2, **params):
    torch.manual_seed(0)
    return plugins.create(
        "backbones",
        name,
        {"layout": layout(of), "in_channels": in_channels, "num_classes": classes, "bodies": bodies}
        | SMALL.get(name, {})
        | params,
    )


def clips(n, of="kinect25", frames=16, bodies=2, channels=3, seed=0):
    """Random clips; every second one has one body only."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, channels, frames, len(layout(of)), bodies, generator=generator)
    present = torch.ones(n, bodies, dtype=torch.bool)
    present[::2, 1:] = False
    return x * present[:, None, None, None], present


def settled(network, of="kinect25", channels=3, bodies=2):
    """In evaluation mode, after a few batches have filled the batch norms' statistics."""
    network.train()
    with torch.no_grad():
        for seed in range(3):
            network(*clips(4, of, seed=seed + 10, channels=channels, bodies=bodies))
    return network.eval()
