"""Joint layouts: names, parents, body parts and left-right pairs of every skeleton the package reads.

Part groupings: ``purls`` is the static partition of PURLS (head, hands, torso, legs; supplementary), ``six`` the one of
STAR (head, hand, arm, hip, leg, foot), from which STAR's four and two parts follow by merging.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from zssar.errors import unknown

STAR_SIX = ("head", "hand", "arm", "hip", "leg", "foot")
STAR_FOUR = {"head": ("head",), "hand_arm": ("hand", "arm"), "hip": ("hip",), "leg_foot": ("leg", "foot")}
STAR_TWO = {"upper": ("head", "hand", "arm"), "lower": ("hip", "leg", "foot")}
PURLS_FOUR = ("head", "hands", "torso", "legs")


@dataclass(frozen=True)
class Layout:
    """V joints with their kinematic tree.

    parents[v] is the joint next to v on the way to the ``root``; the root is its own parent.
    roles: what a joint is, in one vocabulary for all layouts (``left_wrist``, ``spine_base`` ...), to its index.
    """

    name: str
    joints: tuple[str, ...]
    parents: tuple[int, ...]
    six: dict[str, tuple[int, ...]]
    purls: dict[str, tuple[int, ...]]
    roles: dict[str, int]
    dimensions: int = 3  # 2: image coordinates, y up, third channel 0

    def __len__(self) -> int:
        return len(self.joints)

    @cached_property
    def root(self) -> int:
        return next(v for v, parent in enumerate(self.parents) if v == parent)

    @cached_property
    def edges(self) -> tuple[tuple[int, int], ...]:
        """(child, parent) pairs, root left out."""
        return tuple((v, p) for v, p in enumerate(self.parents) if v != p)

    @cached_property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """(left, right) joints, by their names."""
        at = {joint: v for v, joint in enumerate(self.joints)}
        return tuple((v, at["right" + j[4:]]) for j, v in at.items() if j.startswith("left"))

    def parts(self, grouping: str) -> dict[str, tuple[int, ...]]:
        """Joint indices per part; grouping is parts_purls, parts2, parts4 or parts6."""
        if grouping == "parts_purls":
            return self.purls
        if grouping == "parts6":
            return self.six
        merged = {"parts4": STAR_FOUR, "parts2": STAR_TWO}
        if grouping not in merged:
            raise unknown("part grouping", grouping, ["parts_purls", "parts6", *merged])
        return {part: tuple(sorted(v for p in of for v in self.six[p])) for part, of in merged[grouping].items()}


def _layout(name, tree, six, purls, roles=None, dimensions=3) -> Layout:
    """``tree``: ordered (joint, parent) names; parts as names; ``roles``: role -> joint name where they differ."""
    joints = tuple(joint for joint, _ in tree)
    at = {joint: v for v, joint in enumerate(joints)}

    def indices(groups):
        return {part: tuple(sorted(at[j] for j in members.split())) for part, members in groups.items()}

    return Layout(
        name,
        joints,
        tuple(at[parent] for _, parent in tree),
        indices(six),
        indices(purls),
        {**at, **{role: at[j] for role, j in (roles or {}).items()}},
        dimensions,
    )


def _limbs(hip_parent: str, shoulder_parent: str) -> list[tuple[str, str]]:
    """The arms and legs in Kinect order: left arm, right arm, left leg, right leg, four joints each."""
    arm, leg = ("shoulder", "elbow", "wrist", "hand"), ("hip", "knee", "ankle", "foot")
    tree = []
    for limb, start in ((arm, shoulder_parent), (leg, hip_parent)):
        for side in ("left", "right"):
            parent = start
            for joint in limb:
                tree.append((f"{side}_{joint}", parent))
                parent = f"{side}_{joint}"
    return tree


_ARM = "left_shoulder left_elbow left_wrist right_shoulder right_elbow right_wrist"
_LEG = "left_hip left_knee right_hip right_knee"
_FOOT = "left_ankle left_foot right_ankle right_foot"

# NTU RGB+D and PKU-MMD: Kinect v2, order of the SDK. Tips and thumbs hang on the hands (as in pyskl).
KINECT25 = _layout(
    "kinect25",
    [
        ("spine_base", "spine_base"),
        ("spine_mid", "spine_base"),
        ("neck", "spine_shoulder"),
        ("head", "neck"),
        *_limbs("spine_base", "spine_shoulder"),
        ("spine_shoulder", "spine_mid"),
        ("left_tip", "left_hand"),
        ("left_thumb", "left_hand"),
        ("right_tip", "right_hand"),
        ("right_thumb", "right_hand"),
    ],
    six={
        "head": "neck head spine_shoulder",
        "hand": "left_hand right_hand left_tip left_thumb right_tip right_thumb",
        "arm": _ARM,
        "hip": "spine_base spine_mid",
        "leg": _LEG,
        "foot": _FOOT,
    },
    purls={
        "head": "neck head left_shoulder right_shoulder spine_shoulder",
        "hands": "left_shoulder left_elbow left_wrist left_hand right_shoulder right_elbow right_wrist right_hand "
        "left_tip left_thumb right_tip right_thumb",
        "torso": "spine_base spine_mid left_shoulder right_shoulder left_hip right_hip spine_shoulder",
        "legs": f"spine_base {_LEG} {_FOOT}",
    },
)

_KINECT20_PARTS = {
    "six": {
        "head": "head spine_shoulder",
        "hand": "left_hand right_hand",
        "arm": _ARM,
        "hip": "spine_base spine_mid",
        "leg": _LEG,
        "foot": _FOOT,
    },
    "purls": {
        "head": "head spine_shoulder left_shoulder right_shoulder",
        "hands": f"{_ARM} left_hand right_hand",
        "torso": "spine_base spine_mid spine_shoulder left_shoulder right_shoulder left_hip right_hip",
        "legs": f"spine_base {_LEG} {_FOOT}",
    },
}

# UTD-MHAD: Kinect v1 joints, order starting at the head.
UTD20 = _layout(
    "utd20",
    [
        ("head", "spine_shoulder"),
        ("spine_shoulder", "spine_mid"),
        ("spine_mid", "spine_base"),
        ("spine_base", "spine_base"),
        *_limbs("spine_base", "spine_shoulder"),
    ],
    **_KINECT20_PARTS,
)

# Kinect v1 SDK order (Northwestern-UCLA, UTKinect): starts at the hip.
KINECT20 = _layout(
    "kinect20",
    [
        ("spine_base", "spine_base"),
        ("spine_mid", "spine_base"),
        ("spine_shoulder", "spine_mid"),
        ("head", "spine_shoulder"),
        *_limbs("spine_base", "spine_shoulder"),
    ],
    **_KINECT20_PARTS,
)

# UWA3D Multiview Activity II: 15 joints.
UWA15 = _layout(
    "uwa15",
    [
        ("head", "neck"),
        ("neck", "torso"),
        ("torso", "torso"),
        ("left_shoulder", "neck"),
        ("left_elbow", "left_shoulder"),
        ("left_hand", "left_elbow"),
        ("right_shoulder", "neck"),
        ("right_elbow", "right_shoulder"),
        ("right_hand", "right_elbow"),
        ("left_hip", "torso"),
        ("left_knee", "left_hip"),
        ("left_foot", "left_knee"),
        ("right_hip", "torso"),
        ("right_knee", "right_hip"),
        ("right_foot", "right_knee"),
    ],
    six={
        "head": "head neck",
        "hand": "left_hand right_hand",
        "arm": "left_shoulder left_elbow right_shoulder right_elbow",
        "hip": "torso left_hip right_hip",
        "leg": "left_knee right_knee",
        "foot": "left_foot right_foot",
    },
    purls={
        "head": "head neck left_shoulder right_shoulder",
        "hands": "left_shoulder left_elbow left_hand right_shoulder right_elbow right_hand",
        "torso": "torso neck left_shoulder right_shoulder left_hip right_hip",
        "legs": "torso left_hip left_knee left_foot right_hip right_knee right_foot",
    },
    roles={
        "spine_mid": "torso",
        "spine_shoulder": "neck",
        "left_wrist": "left_hand",
        "right_wrist": "right_hand",
        "left_ankle": "left_foot",
        "right_ankle": "right_foot",
    },
)

# Kinetics-skeleton: OpenPose with 18 joints, two-dimensional.
OPENPOSE18 = _layout(
    "openpose18",
    [
        ("nose", "neck"),
        ("neck", "neck"),
        ("right_shoulder", "neck"),
        ("right_elbow", "right_shoulder"),
        ("right_wrist", "right_elbow"),
        ("left_shoulder", "neck"),
        ("left_elbow", "left_shoulder"),
        ("left_wrist", "left_elbow"),
        ("right_hip", "neck"),
        ("right_knee", "right_hip"),
        ("right_ankle", "right_knee"),
        ("left_hip", "neck"),
        ("left_knee", "left_hip"),
        ("left_ankle", "left_knee"),
        ("right_eye", "nose"),
        ("left_eye", "nose"),
        ("right_ear", "right_eye"),
        ("left_ear", "left_eye"),
    ],
    six={
        "head": "nose right_eye left_eye right_ear left_ear",
        "hand": "left_wrist right_wrist",
        "arm": "left_shoulder left_elbow right_shoulder right_elbow",
        "hip": "neck left_hip right_hip",
        "leg": "left_knee right_knee",
        "foot": "left_ankle right_ankle",
    },
    purls={
        "head": "nose right_eye left_eye right_ear left_ear",
        "hands": f"neck {_ARM}",
        "torso": "nose neck right_shoulder left_shoulder right_hip left_hip",
        "legs": "right_hip right_knee right_ankle left_hip left_knee left_ankle",
    },
    roles={"head": "nose", "spine_shoulder": "neck", "left_hand": "left_wrist", "right_hand": "right_wrist"},
    dimensions=2,
)

_FACE = [("nose", "nose"), ("left_eye", "nose"), ("right_eye", "nose"), ("left_ear", "left_eye")]
_FACE += [("right_ear", "right_eye")]

# COCO: the joints of most image pose estimators. The nose serves as root, shoulders hang on it, hips on the shoulders.
COCO17 = _layout(
    "coco17",
    [
        *_FACE,
        ("left_shoulder", "nose"),
        ("right_shoulder", "nose"),
        ("left_elbow", "left_shoulder"),
        ("right_elbow", "right_shoulder"),
        ("left_wrist", "left_elbow"),
        ("right_wrist", "right_elbow"),
        ("left_hip", "left_shoulder"),
        ("right_hip", "right_shoulder"),
        ("left_knee", "left_hip"),
        ("right_knee", "right_hip"),
        ("left_ankle", "left_knee"),
        ("right_ankle", "right_knee"),
    ],
    six={
        "head": "nose left_eye right_eye left_ear right_ear",
        "hand": "left_wrist right_wrist",
        "arm": "left_shoulder left_elbow right_shoulder right_elbow",
        "hip": "left_hip right_hip",
        "leg": "left_knee right_knee",
        "foot": "left_ankle right_ankle",
    },
    purls={
        "head": "nose left_eye right_eye left_ear right_ear",
        "hands": _ARM,
        "torso": "left_shoulder right_shoulder left_hip right_hip",
        "legs": "left_hip right_hip left_knee right_knee left_ankle right_ankle",
    },
    roles={"head": "nose", "left_hand": "left_wrist", "right_hand": "right_wrist"},
    dimensions=2,
)

_FINGERS = [(f"{s}_{finger}", f"{s}_wrist") for finger in ("pinky", "index", "thumb") for s in ("left", "right")]

# MediaPipe Pose: 33 landmarks, world coordinates in metres.
MEDIAPIPE33 = _layout(
    "mediapipe33",
    [
        ("nose", "nose"),
        ("left_eye_inner", "nose"),
        ("left_eye", "left_eye_inner"),
        ("left_eye_outer", "left_eye"),
        ("right_eye_inner", "nose"),
        ("right_eye", "right_eye_inner"),
        ("right_eye_outer", "right_eye"),
        ("left_ear", "left_eye_outer"),
        ("right_ear", "right_eye_outer"),
        ("left_mouth", "nose"),
        ("right_mouth", "nose"),
        ("left_shoulder", "nose"),
        ("right_shoulder", "nose"),
        ("left_elbow", "left_shoulder"),
        ("right_elbow", "right_shoulder"),
        ("left_wrist", "left_elbow"),
        ("right_wrist", "right_elbow"),
        *_FINGERS,
        ("left_hip", "left_shoulder"),
        ("right_hip", "right_shoulder"),
        ("left_knee", "left_hip"),
        ("right_knee", "right_hip"),
        ("left_ankle", "left_knee"),
        ("right_ankle", "right_knee"),
        ("left_heel", "left_ankle"),
        ("right_heel", "right_ankle"),
        ("left_foot", "left_ankle"),
        ("right_foot", "right_ankle"),
    ],
    six={
        "head": "nose left_eye_inner left_eye left_eye_outer right_eye_inner right_eye right_eye_outer left_ear "
        "right_ear left_mouth right_mouth",
        "hand": "left_pinky right_pinky left_index right_index left_thumb right_thumb",
        "arm": _ARM,
        "hip": "left_hip right_hip",
        "leg": "left_knee right_knee",
        "foot": "left_ankle right_ankle left_heel right_heel left_foot right_foot",
    },
    purls={
        "head": "nose left_eye_inner left_eye left_eye_outer right_eye_inner right_eye right_eye_outer left_ear "
        "right_ear left_mouth right_mouth",
        "hands": f"{_ARM} left_pinky right_pinky left_index right_index left_thumb right_thumb",
        "torso": "left_shoulder right_shoulder left_hip right_hip",
        "legs": "left_hip right_hip left_knee right_knee left_ankle right_ankle left_heel right_heel left_foot "
        "right_foot",
    },
    roles={"head": "nose", "left_hand": "left_index", "right_hand": "right_index"},
)

LAYOUTS = {x.name: x for x in (KINECT25, UTD20, KINECT20, UWA15, OPENPOSE18, COCO17, MEDIAPIPE33)}


def layout(name: str) -> Layout:
    """The layout of that name. Raises UserError naming the known ones."""
    if name not in LAYOUTS:
        raise unknown("joint layout", name, LAYOUTS)
    return LAYOUTS[name]
