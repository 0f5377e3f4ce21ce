"""The networks as their papers and codes write them down: what benchmarks/backbones.py measures ours against.

``plain(network)`` replaces the forward passes of a network's units, so that both have the same weights. Contiguous
memory, einsum for graphs, shifts by gathering, projections before averages, every branch and subset on its own.
"""

from __future__ import annotations

import types

import torch
from torch.nn import functional as F

from zssar.backbones import aa_gcn, ctr_gcn, dg_stgcn, shift_gcn, st_gcn
from zssar.backbones.layers import Branches


def st_gcn_block(self, x, graph):
    y = self.spatial(x)
    y = y.view(len(y), 3, -1, *y.shape[2:])
    y = torch.einsum("nkctv,kvw->nctw", y, graph * self.edges).contiguous()
    y = self.dropout(self.bn_temporal(self.temporal(F.relu(self.bn_spatial(y)))))
    return F.relu(y + self.shortcut(x))


def shift_spatial(self, x):
    n, channels, frames, joints = x.shape
    rows = x.permute(0, 2, 3, 1).contiguous().view(n * frames, -1)
    rows = torch.index_select(rows, 1, self.into).view(n * frames, joints, channels) * (self.mask.tanh() + 1)
    rows = torch.einsum("nvc,cd->nvd", rows, self.weight) + self.bias
    rows = self.bn(torch.index_select(rows.reshape(n * frames, -1), 1, self.out))
    rows = rows.view(n, frames, joints, -1).permute(0, 3, 1, 2).contiguous()
    return F.relu(rows + self.shortcut(x))


def shift_temporal(self, x, reach):
    position = self.position()
    whole = position.detach().floor()
    share = (position - whole)[:, None, None]
    frames = torch.arange(0, x.shape[2] // self.stride, device=x.device) * self.stride
    index = frames[None, :] + whole.long()[:, None] + reach
    padded = F.pad(x, (0, 0, reach, reach + 1))

    def take(at):
        return padded.gather(2, at[None, :, :, None].expand(len(x), -1, -1, x.shape[3]))

    return (1 - share) * take(index) + share * take(index + 1)


def branches(self, x):
    found, start = [], 0
    for i, width in enumerate(self.widths):
        part = slice(start, start + width)
        y = F.conv2d(x, self.reduce.weight[part], self.reduce.bias[part])
        norm = self.bn
        y = F.batch_norm(
            y, norm.running_mean[part], norm.running_var[part], norm.weight[part], norm.bias[part], self.training
        )
        y = F.relu(y)
        found.append(self.convs[i](y) if i < len(self.convs) else self.pool(y))
        start += width
    return torch.cat([*found, self.plain(x)], 1)


def ctr_spatial(self, x):
    y = 0
    for subset, graph in zip(self.subsets, self.graph):
        query, key = subset.query(x).mean(2), subset.key(x).mean(2)
        pairs = torch.tanh(query[..., :, None] - key[..., None, :])
        y = y + torch.einsum("ncuv,nctv->nctu", self.alpha * subset.refine(pairs) + graph, subset.value(x))
    return F.relu(self.bn(y) + self.shortcut(x))


def aa_spatial(self, x):
    n, channels, frames, joints = x.shape
    y = 0
    for theta, phi, value, graph in zip(self.theta, self.phi, self.value, self.graph):
        source = theta(x).permute(0, 3, 1, 2).reshape(n, joints, -1)
        target = phi(x).reshape(n, -1, joints)
        matrix = graph + self.alpha * torch.tanh(source @ target / source.shape[2])
        y = y + value((x.reshape(n, -1, joints) @ matrix).view(n, channels, frames, joints))
    return self.attention(F.relu(self.bn(y) + self.shortcut(x)))


def aa_attention(self, y):
    y = y + y * torch.sigmoid(self.joints(y.mean(2)))[:, :, None]
    y = y + y * torch.sigmoid(self.frames(y.mean(3)))[..., None]
    return y + y * torch.sigmoid(self.excite(F.relu(self.squeeze(y.mean((2, 3))))))[:, :, None, None]


def dg_graphs(self, x):
    query, key = (conv(x).mean(2).unflatten(1, (self.subsets, -1)) for conv in (self.query, self.key))
    by_channel = torch.tanh(query[..., :, None] - key[..., None, :])
    whole = torch.softmax(torch.einsum("nkcv,nkcw->nkvw", query, key), 2)[:, :, None]
    return by_channel * self.alpha[0] + whole * self.beta[0] + self.graph[:, None]


FORWARD = {
    st_gcn.Block: st_gcn_block,
    shift_gcn.SpatialShift: shift_spatial,
    shift_gcn.TemporalShift: shift_temporal,
    Branches: branches,
    ctr_gcn.Spatial: ctr_spatial,
    aa_gcn.Spatial: aa_spatial,
    aa_gcn.Attention: aa_attention,
}


def plain(network):
    """The same network computed the plain way; changes it in place and returns it."""
    network.memory_format = torch.contiguous_format
    for module in network.modules():
        for kind, forward in FORWARD.items():
            if type(module) is kind:
                module.forward = types.MethodType(forward, module)
        if isinstance(module, dg_stgcn.Spatial):
            module.graphs = types.MethodType(dg_graphs, module)
    return network
