"""What is special about each network, against slow loops and the formulas of the papers."""

import pytest
import torch
from small_networks import clips, make, settled

from zssar.backbones import aa_gcn, ctr_gcn, dg_stgcn, posec3d, shift_gcn
from zssar.backbones.graph import direction_partition
from zssar.errors import UserError
from zssar.skeleton.layouts import layout

# --- Shift-GCN: in space ---------------------------------------------------------------------------------------------


def test_shift_out_undoes_shift_in():
    into, out = shift_gcn.shift_order(25, 64, 1), shift_gcn.shift_order(25, 64, -1)
    x = torch.randn(3, 25 * 64)
    assert torch.equal(x[:, into][:, out], x)
    assert torch.equal(into.argsort(), out)
    assert torch.equal(into.sort().values, torch.arange(25 * 64))


def test_shift_takes_channel_c_of_joint_v_from_joint_v_plus_c():
    order = shift_gcn.shift_order(5, 7, 1).view(5, 7)
    for v in range(5):
        for c in range(7):
            assert order[v, c] == ((v + c) % 5) * 7 + c


def test_every_joint_mixes_all_joints():
    """With at least as many channels as joints, a change of one joint reaches all of them."""
    torch.manual_seed(0)
    unit = shift_gcn.SpatialShift(25, 25, 25).eval()
    x = torch.randn(1, 25, 1, 25, requires_grad=True)
    # The product alone, without shortcut and ReLU.
    rows = shift_gcn.Permute.apply(x.permute(0, 2, 3, 1).reshape(1, -1), unit.into, unit.into_inverse).view(25, 25)
    (rows @ unit.weight)[3].sum().backward()
    assert (x.grad[0, :, 0].abs().sum(0) > 0).all()


def test_spatial_shift_equals_the_slow_loop():
    torch.manual_seed(0)
    unit = shift_gcn.SpatialShift(4, 6, 5).eval()
    unit.mask.data.normal_()
    unit.bias.data.normal_()
    unit.bn.running_mean.normal_()
    x = torch.randn(2, 4, 3, 5)
    slow = torch.zeros(2, 6, 3, 5)
    mask = unit.mask.tanh() + 1
    for v in range(5):
        moved = torch.stack([x[:, c, :, (v + c) % 5] * mask[v, c] for c in range(4)], 1)  # (B, C, T)
        product = torch.einsum("nct,cd->ndt", moved, unit.weight) + unit.bias[:, None]
        for c in range(6):
            # Moved out, the product of joint v arrives at joint v + c: z[v] = y[v - c].
            slow[:, c, :, (v + c) % 5] = product[:, c]
    mean, var = unit.bn.running_mean.view(5, 6).T[:, None], unit.bn.running_var.view(5, 6).T[:, None]
    slow = torch.relu((slow - mean) / (var + unit.bn.eps).sqrt() + unit.shortcut(x))
    torch.testing.assert_close(unit(x), slow, rtol=1e-4, atol=1e-5)


def test_permutation_has_the_right_gradient():
    into = shift_gcn.shift_order(3, 4, 1)
    x = torch.randn(2, 12, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradcheck(lambda y: shift_gcn.Permute.apply(y, into, into.argsort()), x)


# --- Shift-GCN: in time ----------------------------------------------------------------------------------------------


def shifted(x, displacement, stride):
    unit = shift_gcn.TemporalShift(x.shape[1], stride, "true").to(x.dtype)
    unit.displacement.data = displacement.to(x.dtype)
    reach = int(displacement.abs().max().ceil()) + 2
    return unit, unit(x, reach)


def slow_shift(x, displacement, stride):
    n, channels, frames, joints = x.shape
    out = torch.zeros(n, channels, frames // stride, joints, dtype=x.dtype)
    for c in range(channels):
        d = float(displacement[c]) + (0.5 if stride == 2 else 0)
        k = int(torch.tensor(d).floor())
        f = d - k
        for t in range(frames // stride):
            for frame, weight in ((stride * t + k, 1 - f), (stride * t + k + 1, f)):
                if 0 <= frame < frames:
                    out[:, c, t] += weight * x[:, c, frame]
    return out


@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("frames", [1, 7, 8])
def test_temporal_shift_equals_the_slow_double_loop(stride, frames):
    torch.manual_seed(0)
    x, displacement = (
        torch.randn(2, 9, frames, 4),
        torch.cat([torch.empty(6).uniform_(-3, 3), torch.tensor([-2.0, 0, 1])]),
    )
    torch.testing.assert_close(shifted(x, displacement, stride)[1], slow_shift(x, displacement, stride))


def test_whole_displacements_copy_and_halves_average():
    x = torch.randn(1, 3, 6, 2)
    out = shifted(x, torch.tensor([2.0, -1.0, 0.5]), 1)[1]
    assert torch.equal(out[:, 0, :4], x[:, 0, 2:])
    assert (out[:, 0, 4:] == 0).all()
    assert torch.equal(out[:, 1, 1:], x[:, 1, :-1])
    assert (out[:, 1, 0] == 0).all()
    torch.testing.assert_close(out[:, 2, :-1], (x[:, 2, :-1] + x[:, 2, 1:]) / 2)


@pytest.mark.parametrize("stride", [1, 2])
def test_the_gradient_is_the_adjoint(stride):
    torch.manual_seed(1)
    x = torch.randn(2, 5, 8, 3, dtype=torch.double, requires_grad=True)
    displacement = torch.empty(5).uniform_(-2, 2)
    out = shifted(x, displacement, stride)[1]
    y = torch.randn_like(out)
    (adjoint,) = torch.autograd.grad((out * y).sum(), x)
    torch.testing.assert_close((out * y).sum(), (x * adjoint).sum())
    assert torch.autograd.gradcheck(lambda z: shifted(z, displacement, stride)[1], x)


@pytest.mark.parametrize("stride", [1, 2])
def test_the_true_gradient_of_the_displacement(stride):
    torch.manual_seed(2)
    x = torch.randn(2, 4, 8, 3, dtype=torch.double)
    unit = shift_gcn.TemporalShift(4, stride, "true").double()
    start = unit.displacement.data.clone()

    def out(displacement):
        return torch.func.functional_call(unit, {"displacement": displacement}, (x, 3))

    assert torch.autograd.gradcheck(out, start.requires_grad_())


def test_the_published_gradient_is_a_sign():
    torch.manual_seed(3)
    x = torch.randn(2, 4, 8, 3)
    x[:, 3] = 0  # a channel whose displacement does not matter
    grads = {}
    for gradient in ("true", "sign"):
        torch.manual_seed(4)
        unit = shift_gcn.TemporalShift(4, 1, gradient)
        unit(x, 2).square().sum().backward()
        grads[gradient] = unit.displacement.grad
    torch.testing.assert_close(grads["sign"][:3], 0.01 * grads["true"][:3].sign())
    assert grads["true"][3] == 0
    assert grads["sign"][3] == pytest.approx(1e-4)


def test_the_reach_follows_displacements_that_have_moved_far():
    network = settled(make("shift_gcn"))
    x, present = clips(2)
    for block in network.blocks:
        block.shift_in.displacement.data.fill_(5.3)
        block.shift_out.displacement.data.fill_(-4.2)
    assert network._reach()[0] == (6, 5)
    with torch.inference_mode():
        far = network(x, present)
        network._reach = lambda: [(20, 20)] * len(network.blocks)
        torch.testing.assert_close(network(x, present), far)


def test_odd_numbers_of_frames():
    network = settled(make("shift_gcn"))
    x, present = clips(2, frames=15)
    assert network.maps(x, present).shape[3] == 7


def test_recipe_attributes_of_the_published_script():
    factors = {key.split(".")[-1]: getattr(p, "decay", 1.0) for key, p in make("shift_gcn").named_parameters()}
    assert factors["mask"] == 0
    assert make("shift_gcn").blocks[0].spatial.weight.decay == 10
    with pytest.raises(UserError, match="sign or true"):
        make("shift_gcn", displacement_gradient="half")


# --- the others ------------------------------------------------------------------------------------------------------


def test_ctr_gcn_equals_its_formula():
    """Projections first and the mean over time afterwards, one subset after another (eq. 5-7)."""
    torch.manual_seed(0)
    graph = torch.from_numpy(direction_partition(layout("uwa15")))
    unit = ctr_gcn.Spatial(16, 8, graph).eval()
    unit.alpha.data.fill_(0.7)
    x = torch.randn(2, 16, 6, 15)
    y = 0
    for k, subset in enumerate(unit.subsets):
        q, key = subset.query(x).mean(2), subset.key(x).mean(2)
        pairs = torch.tanh(q[..., :, None] - key[..., None, :])
        matrix = unit.alpha * subset.refine(pairs) + unit.graph[k]
        y = y + torch.einsum("ncuv,nctv->nctu", matrix, subset.value(x))
    torch.testing.assert_close(unit(x), torch.relu(unit.bn(y) + unit.shortcut(x)), rtol=1e-4, atol=1e-5)


def test_aa_gcn_equals_its_formula():
    torch.manual_seed(0)
    graph = torch.from_numpy(direction_partition(layout("uwa15")))
    unit = aa_gcn.Spatial(8, 16, graph).eval()
    unit.alpha.data.fill_(0.7)
    x = torch.randn(2, 8, 6, 15)
    y = 0
    for k in range(3):
        theta, phi = unit.theta[k](x), unit.phi[k](x)
        similarity = torch.einsum("nctv,nctw->nvw", theta, phi) / (theta.shape[1] * 6)
        matrix = unit.graph[k] + unit.alpha * torch.tanh(similarity)
        y = y + unit.value[k](torch.einsum("nctv,nvw->nctw", x, matrix))
    y = torch.relu(unit.bn(y) + unit.shortcut(x))
    torch.testing.assert_close(unit(x), unit.attention(y), rtol=1e-4, atol=1e-5)


def test_aa_gcn_starts_with_even_attention_over_frames_and_channels():
    attention = make("aa_gcn").blocks[0].spatial.attention
    y = torch.rand(2, 8, 6, 25)
    by_joint = y * (1 + torch.sigmoid(attention.joints(y.mean(2))))[:, :, None]
    torch.testing.assert_close(attention(y), by_joint * 1.5 * 1.5)


def test_aa_gcn_attends_to_joints_then_frames_then_channels():
    """One after another as in the paper (3.3); ours finds the three factors first and multiplies once."""
    torch.manual_seed(0)
    attention = aa_gcn.Attention(8, 15).double()
    y = torch.randn(2, 8, 6, 15, dtype=torch.double)
    z = y + y * torch.sigmoid(attention.joints(y.mean(2)))[:, :, None]
    z = z + z * torch.sigmoid(attention.frames(z.mean(3)))[..., None]
    channel = torch.sigmoid(attention.excite(torch.relu(attention.squeeze(z.mean((2, 3))))))
    torch.testing.assert_close(attention(y), z + z * channel[..., None, None])


def test_the_gate_of_aa_gcn_has_the_right_gradients():
    torch.manual_seed(0)
    y, place, channel = (torch.randn(*shape, dtype=torch.double) for shape in ((2, 3, 4, 5), (2, 1, 4, 5), (2, 3)))
    for format in (torch.contiguous_format, torch.channels_last):
        given = [y.contiguous(memory_format=format), place, channel]
        assert torch.autograd.gradcheck(aa_gcn.Gate.apply, [x.detach().requires_grad_() for x in given])


def test_dg_stgcn_equals_its_formula():
    torch.manual_seed(0)
    unit = dg_stgcn.Spatial(8, 16, 15, 4).eval()
    unit.alpha.data[0], unit.beta.data[0] = 0.3, 0.6
    x = torch.randn(2, 8, 6, 15)
    q = unit.query(x).mean(2).view(2, 4, 4, 15)
    k = unit.key(x).mean(2).view(2, 4, 4, 15)
    value = unit.pre(x).view(2, 4, 4, 6, 15)
    whole = torch.softmax(torch.einsum("nkcv,nkcw->nkvw", q, k), 2)
    torch.testing.assert_close(whole.sum(2), torch.ones(2, 4, 15))  # over source joints
    matrix = unit.graph[None, :, None] + 0.3 * torch.tanh(q[..., :, None] - k[..., None, :]) + 0.6 * whole[:, :, None]
    y = torch.einsum("nkctv,nkcvw->nkctw", value, matrix).flatten(1, 2)
    torch.testing.assert_close(unit(x), torch.relu(unit.bn(unit.post(y)) + unit.shortcut(x)), rtol=1e-4, atol=1e-5)


def test_dg_stgcn_adds_the_virtual_joint_to_every_joint():
    torch.manual_seed(0)
    unit = dg_stgcn.Temporal(16, 2, 15).eval()
    x = torch.randn(2, 16, 8, 15)
    plain = unit(x)
    unit.virtual.data[3] = 1.0
    changed = unit(x)
    assert changed.shape == (2, 16, 4, 15)
    other = torch.arange(15) != 3
    torch.testing.assert_close(plain[..., other], changed[..., other])
    assert not torch.allclose(plain[..., 3], changed[..., 3])


def test_widths_that_do_not_divide_are_explained():
    with pytest.raises(UserError, match="multiple of 4"):
        make("ctr_gcn", widths=[[10, 1]])
    with pytest.raises(UserError, match="multiple of 8"):
        make("dg_stgcn", widths=[[12, 1]])
    with pytest.raises(UserError, match="temporal branches"):
        make("dg_stgcn", widths=[[4, 1]], subsets=2)


# --- PoseC3D ---------------------------------------------------------------------------------------------------------


def poses(*persons):
    """(1, 3, T, V, M) from lists of (x, y) per joint, the same in two frames."""
    x = torch.zeros(1, 3, 2, len(persons[0]), len(persons))
    for m, joints in enumerate(persons):
        x[0, :2, :, :, m] = torch.tensor(joints).T[:, None]
    return x


def peak(heat):
    row, column = divmod(int(heat.argmax()), heat.shape[-1])
    return column, row


def test_heat_maps_peak_at_the_joints_with_the_head_on_top():
    x = poses([(-1.0, 1.0), (1.0, 1.0), (1.0, -1.0)])
    maps = posec3d.heat_maps(x, torch.ones(1, 1, dtype=torch.bool), 40, 1.0)
    assert maps.shape == (1, 3, 2, 40, 40)
    corners = [peak(maps[0, v, 0]) for v in range(3)]
    for found, expected in zip(corners, [(3.5, 3.5), (35.5, 3.5), (35.5, 35.5)]):  # a margin of an eighth in all
        assert max(abs(a - b) for a, b in zip(found, expected)) <= 0.5
    assert 0.7 < maps.max() <= 1


def test_heat_maps_do_not_depend_on_place_and_size():
    x = poses([(-1.0, 1.0), (1.0, 0.7), (1.0, -1.0)])
    there = torch.ones(1, 1, dtype=torch.bool)
    torch.testing.assert_close(
        posec3d.heat_maps(x, there, 32, 0.6), posec3d.heat_maps(3 * x + 5, there, 32, 0.6), rtol=1e-3, atol=1e-4
    )


def test_two_persons_share_the_maps_and_absent_ones_are_not_drawn():
    left, right = [(-1.0, 1.0), (-0.8, 0.0)], [(1.0, -1.0), (0.5, 0.5)]
    x = poses(left, right)
    both = posec3d.heat_maps(x, torch.ones(1, 2, dtype=torch.bool), 32, 0.6)
    swapped = posec3d.heat_maps(x.flip(4), torch.ones(1, 2, dtype=torch.bool), 32, 0.6)
    assert torch.equal(both, swapped)
    assert both[0, 0, 0, :16].max() > 0.5
    assert both[0, 0, 0, 16:].max() > 0.5
    one = posec3d.heat_maps(x, torch.tensor([[True, False]]), 32, 0.6)
    torch.testing.assert_close(one, posec3d.heat_maps(x[..., :1], torch.ones(1, 1, dtype=torch.bool), 32, 0.6))
    x[:, :, 1] = 0  # nobody in the second frame
    assert posec3d.heat_maps(x, torch.ones(1, 2, dtype=torch.bool), 32, 0.6)[:, :, 1].max() == 0
    assert posec3d.heat_maps(0 * x, torch.zeros(1, 2, dtype=torch.bool), 32, 0.6).max() == 0


def test_posec3d_map_of_the_dossier():
    network = make("posec3d", "coco17", size=56, width=32, blocks=[4, 6, 3]).eval()
    with torch.inference_mode():
        x, present = clips(1, "coco17", frames=8)
        maps = network.maps(x, present)
    assert maps.shape == (1, 1, 512, 4, 1)
