"""Adjacency matrices of a joint layout, in the two conventions of the field.

Both orient the skeleton towards a centre, the joint between the shoulders where the layout has one (joint 21 of
NTU-25, joint 1 of OpenPose-18), else the layout's root. Entry [k, v, w] is the weight with which joint v contributes
to joint w: out[w] = sum_v x[v] A[k, v, w]. Fingertips and thumbs hang on the hands, as in pyskl; the original
ST-GCN and 2s-AGCN code chains tip to thumb instead.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from zssar.errors import unknown
from zssar.skeleton.layouts import Layout

SUBSETS = 3


def centre(layout: Layout) -> int:
    """The joint that counts as the middle of the body."""
    return layout.roles.get("spine_shoulder", layout.root)


def depths(layout: Layout) -> np.ndarray:
    """int (V,): number of bones between each joint and the centre."""
    neighbours: dict[int, list[int]] = {v: [] for v in range(len(layout))}
    for child, parent in layout.edges:
        neighbours[child].append(parent)
        neighbours[parent].append(child)
    found = {centre(layout): 0}
    queue = deque(found)
    while queue:
        joint = queue.popleft()
        for other in neighbours[joint]:
            if other not in found:
                found[other] = found[joint] + 1
                queue.append(other)
    return np.array([found[v] for v in range(len(layout))])


def distance_partition(layout: Layout) -> np.ndarray:
    """float32 (3, V, V), ST-GCN's "spatial" strategy (Yan et al. 2018, section 3.3).

    The column-normalised (A + I), split by whether the source lies at the same distance from the centre as the
    target, farther away, or closer.
    """
    depth, links = depths(layout), _links(layout)
    links /= links.sum(0, keepdims=True)
    source, target = depth[:, None], depth[None, :]
    return np.stack([links * (source == target), links * (source > target), links * (source < target)])


def direction_partition(layout: Layout) -> np.ndarray:
    """float32 (3, V, V), the partition of 2s-AGCN and CTR-GCN: identity, inward, outward; columns sum to 1 or 0.

    Inward edges lead from the joint farther from the centre to the nearer one.
    """
    depth, links = depths(layout), _links(layout)
    inward = links * (depth[:, None] > depth[None, :])
    inward_outward = [matrix / np.maximum(matrix.sum(0, keepdims=True), 1) for matrix in (inward, inward.T)]
    return np.stack([np.eye(len(layout), dtype=np.float32), *inward_outward]).astype(np.float32)


def _links(layout: Layout) -> np.ndarray:
    """(V, V): 1 on the diagonal and between neighbours."""
    links = np.eye(len(layout), dtype=np.float32)
    for child, parent in layout.edges:
        links[child, parent] = links[parent, child] = 1
    return links


def partition(layout: Layout, name: str) -> np.ndarray:
    """One of the two partitions by name: ``distance`` or ``direction``."""
    known = {"distance": distance_partition, "direction": direction_partition}
    if name not in known:
        raise unknown("graph partition", name, known)
    return known[name](layout)
