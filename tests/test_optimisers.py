"""Our optimisers are torch's, number for number, without what importing torch's costs."""

import subprocess
import sys

import numpy as np
import pytest
import torch
from sklearn.metrics import confusion_matrix
from torch import nn

from zssar.alignment import optimisers, quantities
from zssar.evaluation import metrics


def twins():
    torch.manual_seed(0)
    one, two = (nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 3)) for _ in range(2))
    two.load_state_dict(one.state_dict())
    return one, two


PAIRS = {
    "adam": (lambda p, lr: optimisers.Adam(p, lr, fused=True), lambda p: torch.optim.Adam(p, 0.01, fused=True)),
    "sgd": (
        lambda p, lr: optimisers.SGD(p, lr, momentum=0.9, nesterov=True, weight_decay=1e-2, fused=True),
        lambda p: torch.optim.SGD(p, 0.01, momentum=0.9, nesterov=True, weight_decay=1e-2, fused=True),
    ),
}


@pytest.mark.parametrize("name", PAIRS)
def test_steps_equal_those_of_torch_bit_for_bit(name):
    ours, theirs = PAIRS[name]
    one, two = twins()
    a = ours([{"params": list(one[0].parameters())}, {"params": list(one[2].parameters()), "weight_decay": 0.1}], 0.01)
    b = theirs([{"params": list(two[0].parameters())}, {"params": list(two[2].parameters()), "weight_decay": 0.1}])
    for step in range(12):
        x = torch.randn(4, 5)
        for net, optimiser in ((one, a), (two, b)):
            optimiser.param_groups[1]["lr"] = 0.01 / (1 + step)
            optimiser.zero_grad()
            frozen = step % 3 == 1  # now and then a layer takes no part, and its moments wait
            (net[2](net[:2](x).detach()) if frozen else net(x)).square().sum().backward()
            optimiser.step()
        for left, right in zip(one.parameters(), two.parameters()):
            assert torch.equal(left, right)


@pytest.mark.parametrize("classes", [np.arange(9), np.array([3, 7, 1])])
def test_confusion_equals_that_of_scikit_learn(classes):
    rng = np.random.default_rng(0)
    labels, predicted = rng.integers(0, 9, (2, 200))
    ours = metrics.confusion(predicted, labels, classes)
    assert np.array_equal(ours, confusion_matrix(labels, predicted, labels=classes))


LEAN = """
import sys
import zssar.evaluation.gates, zssar.evaluation.protocols, zssar.evaluation.summary, zssar.evaluation.trials
assert not {"torch", "sklearn", "scipy.stats", "pandas"} & set(sys.modules), "evaluate"
import torch
from zssar.alignment import loops, profile, profile_text, revise, star
net = torch.nn.Linear(2, 2)
for optimiser in (loops.adam(net.parameters(), 0.1), loops.sgd(net.parameters(), 0.1, 0.9, 0.0)):
    loops.step(optimiser, net(torch.ones(3, 2)).sum())
assert not {"torch._dynamo", "sklearn", "scipy.stats", "pandas"} & set(sys.modules), "align"
"""


def test_processes_do_not_import_what_they_do_not_use():
    """Each of these libraries takes longer to import than a closed-form method needs for everything else."""
    done = subprocess.run([sys.executable, "-c", LEAN], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(("count", "sevenths"), [(3, 39), (5, 27), (6, 5)])
def test_one_column_of_like_sizes_needs_no_shrinking(count, sevenths):
    """Its distance from a multiple of the identity is 0, and its noise 0 but for a rounding of either sign."""
    rows = np.full((count, 1), sevenths / 7)
    np.testing.assert_allclose(quantities._shrunk(rows), [[(sevenths / 7) ** 2]], rtol=1e-10)


STARTED = """
import gc, sys
from zssar import starting
with starting.imports():
    assert gc.isenabled()
starting.program("test")
with starting.imports():
    assert not gc.isenabled()
    kept = [[] for _ in range(10)]
assert gc.isenabled()
assert gc.get_freeze_count() > 0
import atexit
atexit.register(print, "handlers run")
"""


def test_the_collector_rests_during_the_imports_of_a_program_only():
    done = subprocess.run([sys.executable, "-c", STARTED], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "handlers run"
