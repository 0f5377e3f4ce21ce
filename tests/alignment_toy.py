"""A small problem that an alignment method must solve: texts generate features, unseen classes included.

Each class has hidden traits for every body part and phase. Texts are a fixed linear image of traits, features a fixed
rectified linear image of the same traits plus noise per sample, so a method that learns anything transfers. All views
come from one grid (n, D, T', V), all kinds of texts from the traits they describe.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from zssar.interfaces import ClassTexts, Features
from zssar.skeleton.layouts import layout

UNITS = {
    "label": ("label",),
    "description": ("description",),
    "context": ("context",),
    "action_definition": ("definition",),
    "motion_description": ("motion",),
    "global": ("global",),
    "parts_purls": ("head", "hands", "torso", "legs"),
    "parts2": ("upper", "lower"),
    "parts4": ("head", "hand_arm", "hip", "leg_foot"),
    "parts6": ("head", "hand", "arm", "hip", "leg", "foot"),
    "phases": ("start", "middle", "end"),
    "verb_noun": ("verb", "noun"),
}
QUANTITIES = tuple(f"quantity {q:02d}" for q in range(24))  # of the kind and the view "profile"
VIEWS = ("pooled", "parts2", "parts4", "parts6", "parts_purls", "phases", "grid", "seen_logits")
TRAITS, CHANNELS, TEXT_DIM, TIME = 5, 24, 32, 6
SEEN, UNSEEN, PER_CLASS = 20, 4, 12
CHANCE = 1 / UNSEEN

# Constructor arguments with which a method solves the toy in about a second: fewer or faster steps than the paper's, on
# the paper's architecture. A method without an entry must solve it with its defaults.
PARAMS: dict[str, dict] = {
    # The released ReLU after decoders and classifier halves what a VAE learns of texts with negative coordinates.
    "cada_vae": {"cycles": 2, "steps_per_cycle": 300, "lr": 2e-3, "latent": 30, "final_relu": False},
    "devise": {"epochs": 60, "lr": 3e-3},
    "dvta": {"epochs": 30, "lr": 1e-3, "warmup": 3},
    "global_": {"epochs": 60, "batch_size": 64, "lr": 1e-3, "hidden": 128},
    "jpose": {"epochs": 100, "lr": 3e-3, "hidden": 128},
    "msf": {"cycles": 2, "steps_per_cycle": 300, "lr": 2e-3, "latent": 30, "final_relu": False},
    "purls": {"epochs": 40, "batch_size": 64, "lr": 1e-3, "hidden": 128},
    "relation_net": {"epochs": 60, "batch_size": 32, "lr": 3e-3, "hidden": 128},
    "revise": {"epochs": 100, "lr": 3e-3, "hidden": 128},
    "smie": {"epochs": 60, "lr": 3e-4, "warmup": 3},
    "star": {"epochs": 12, "lr": 0.05, "width": 64, "attributes": 32, "text_width": 64, "decay": (8,)},
    "synse": {"cycles": 2, "steps_per_cycle": 300, "lr": 2e-3, "latent": 30, "final_relu": False},
}
# For promises that do not ask a method to be good; used where a method takes the argument, on top of PARAMS.
QUICK = {"epochs": 3, "cycles": 2, "steps_per_cycle": 30, "classifier_steps": 20, "draws": 20}


@dataclass(frozen=True)
class Toy:
    """All samples of all classes; ``labels`` index ``texts.names``; the last ``UNSEEN`` classes are unseen."""

    features: Features
    labels: np.ndarray
    texts: ClassTexts

    @property
    def seen(self) -> tuple[str, ...]:
        return self.texts.names[:SEEN]

    @property
    def unseen(self) -> tuple[str, ...]:
        return self.texts.names[SEEN:]

    def samples(self, names) -> tuple[Features, np.ndarray]:
        """(features, labels as indices into ``names``) of the named classes."""
        at = [self.texts.names.index(name) for name in names]
        rows = np.flatnonzero(np.isin(self.labels, at))
        return self.features.select(rows), np.array([at.index(label) for label in self.labels[rows]])


def toy(seed: int = 0) -> Toy:
    """The problem of one seed; different seeds share nothing."""
    rng = np.random.default_rng(seed)
    classes, skeleton = SEEN + UNSEEN, layout("kinect25")
    parts = skeleton.parts("parts6")
    common = rng.normal(size=(classes, 1, 1, TRAITS))
    own = rng.normal(size=(classes, len(parts), 3, TRAITS))
    traits = common + 0.35 * own  # (K, part, phase, trait)
    labels = np.repeat(np.arange(classes), PER_CLASS)
    grid = _grid(rng, traits[labels], parts, len(skeleton))
    names = tuple(f"action {i:02d}" for i in range(classes))
    texts, views = _texts(rng, traits), _views(grid, skeleton, labels)
    texts["profile"], views["profile"] = _profile(rng, traits, labels)
    return Toy(Features(views, "kinect25"), labels, ClassTexts(names, texts, {**UNITS, "profile": QUANTITIES}))


def _grid(rng, traits, parts, joints) -> np.ndarray:
    part_of = np.zeros(joints, int)
    for p, members in enumerate(parts.values()):
        part_of[list(members)] = p
    image = rng.normal(size=(TRAITS, CHANNELS)) / np.sqrt(TRAITS)
    at = traits[:, part_of][:, :, np.repeat(np.arange(3), TIME // 3)]  # (n, V, T', trait)
    person = 0.15 * rng.normal(size=(len(at), 1, 1, TRAITS))
    maps = 1.0 + (at + person) @ image + 0.3 * rng.normal(size=(*at.shape[:3], CHANNELS))
    return np.maximum(maps, 0).transpose(0, 3, 2, 1).astype(np.float32)  # (n, D, T', V)


def _views(grid, skeleton, labels) -> dict[str, np.ndarray]:
    def part_view(grouping):
        parts = skeleton.parts(grouping).values()
        return np.stack([grid[..., list(members)].mean((2, 3)) for members in parts], 1)

    phases = grid.mean(3).reshape(len(grid), CHANNELS, 3, -1).mean(3).swapaxes(1, 2)
    pooled = grid.mean((2, 3))
    centres = np.stack([pooled[labels == c].mean(0) for c in range(SEEN)])
    logits = -((pooled[:, None] - centres) ** 2).sum(2)
    parts = {grouping: part_view(grouping) for grouping in ("parts2", "parts4", "parts6", "parts_purls")}
    return {"pooled": pooled, **parts, "phases": phases, "grid": grid.astype(np.float16), "seen_logits": logits}


def _profile(rng, traits, labels) -> tuple[np.ndarray, np.ndarray]:
    """Statement: an ordinal, sometimes not given; measurement: the same trait in its own unit, sometimes unknown."""
    image = rng.normal(size=(TRAITS, len(QUANTITIES))) / np.sqrt(TRAITS)
    truth = traits.mean((1, 2)) @ image  # (K, Q)
    weight = rng.choice([0.0, 0.5, 1.0], truth.shape, p=[0.1, 0.3, 0.6])
    value = np.clip(np.rint(2 * truth + 0.3 * rng.normal(size=truth.shape)), -3, 3) * (weight > 0)
    found = rng.uniform(0.1, 5, len(QUANTITIES)) * (
        truth[labels] + 0.4 * rng.normal(size=(len(labels), len(QUANTITIES)))
    )
    found += rng.normal(size=len(QUANTITIES))
    found[rng.random(found.shape) < 0.05] = np.nan
    return np.stack([value, weight], 2).astype(np.float32), found.astype(np.float32)


def _texts(rng, traits) -> dict[str, np.ndarray]:
    words = rng.normal(size=(TRAITS, TEXT_DIM))
    offset = 0.5 * rng.normal(size=TEXT_DIM)  # what all sentences share
    merged = {"head": (0,), "hand": (1,), "hands": (1,), "arm": (2,), "hip": (3,), "torso": (3,), "leg": (4,)}
    merged |= {"foot": (5,), "legs": (4, 5), "hand_arm": (1, 2), "leg_foot": (4, 5)}
    merged |= {"upper": (0, 1, 2), "lower": (3, 4, 5)}
    phase = {"start": 0, "middle": 1, "end": 2}
    texts = {}
    for kind, units in UNITS.items():
        rows = []
        for unit in units:
            if unit in phase:
                told = traits[:, :, phase[unit]].mean(1)
            else:
                told = traits[:, list(merged.get(unit, range(6)))].mean((1, 2))
            rows.append(told @ words + offset + 0.1 * rng.normal(size=(len(traits), TEXT_DIM)))
        texts[kind] = np.stack(rows, 1).astype(np.float32)
    return texts
