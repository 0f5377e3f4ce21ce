"""Small problems for the profile methods: the toy of the contract, and forms whose quantities have real names."""

import numpy as np

from zssar import plugins
from zssar.alignment import vocabulary
from zssar.interfaces import ClassTexts, Features


def fitted(problem, **params):
    method = plugins.create("alignment", "profile", params)
    features, labels = problem.samples(problem.seen)
    return method.fit(features, labels, problem.texts.select(problem.seen))


def named(names, classes=6, per_class=5, seed=0):
    """(features, labels, texts) of a toy whose quantities have real names, stated in whole steps."""
    rng = np.random.default_rng(seed)
    low = vocabulary.lowest(names)
    value = rng.integers(low, 4, (classes, len(names))).astype(float)
    labels = np.repeat(np.arange(classes), per_class)
    found = 0.3 * value[labels] + 0.1 * rng.normal(size=(len(labels), len(names)))
    form = np.stack([value, np.ones_like(value)], 2).astype(np.float32)
    texts = ClassTexts(tuple(f"class {k}" for k in range(classes)), {"profile": form}, {"profile": tuple(names)})
    return Features({"profile": found}, "kinect25", {"quantities": list(names)}), labels, texts
