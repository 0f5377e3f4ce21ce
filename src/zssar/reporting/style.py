"""One look for every figure: paper sizes, colour-blind-safe colours, vector and pixel files that do not change by date.

Colours: Okabe and Ito's palette for categories, with Tol's wine for their yellow, hard to see on white (contrast
1.3; wine 8.7); a test simulates colour vision deficiencies. A sequential map of one hue, white to dark blue, for
magnitudes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
from matplotlib.figure import Figure

from zssar.errors import UserError, unknown
from zssar.storage import whole

COLUMN, PAGE = 3.4, 7.0  # widths in inches of one text column and of a page
LINE = 0.15  # height in inches of a row of a legend
CATEGORIES = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#882255")
MARKERS = "osD^vPX*"
MAGNITUDE = "Blues"
TWO_SIDED = "PuOr_r"  # orange: more than the middle, violet: less
SUFFIXES = (".png", ".pdf", ".svg")

RC = {
    "font.size": 8,
    "axes.titlesize": 8,
    "axes.labelsize": 8,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "lines.linewidth": 1.2,
    "lines.markersize": 4,
    "figure.constrained_layout.use": True,
    "pdf.fonttype": 42,  # text stays text
    "svg.fonttype": "none",
    "svg.hashsalt": "zssar",
}


@contextmanager
def paper() -> Iterator[None]:
    """Inside the block, figures are drawn in the house style."""
    with plt.rc_context({**matplotlib.rcParamsDefault, **RC, "backend": "agg"}):
        yield


def save(figure: Figure, paths: Sequence[Path | str]) -> None:
    """Write the figure under each path; the suffix says the format. Pixels at 300 dpi. No dates in the files."""
    for path in map(Path, paths):
        if path.suffix not in SUFFIXES:
            raise unknown("figure format", path.suffix or path.name, SUFFIXES, "--output")
    dates = {".png": {}, ".pdf": {"CreationDate": None}, ".svg": {"Date": None}}
    for path in map(Path, paths):
        with paper(), whole(path) as draft, draft.open("wb") as file:
            figure.savefig(file, format=path.suffix[1:], dpi=300, bbox_inches="tight", metadata=dates[path.suffix])
    plt.close(figure)


def simulated_note(figure: Figure, simulated: bool) -> None:
    """Say so on the figure, once, if it shows simulated data."""
    if simulated and not any(text.get_text() == "simulated data" for text in figure.texts):
        figure.text(1.0, 1.0, "simulated data", ha="right", va="bottom", fontsize=6, color="0.35", style="italic")


def legend(
    figure: Figure, handles: Sequence, labels: Sequence[str], where: str = "outside lower center", **more
) -> None:
    """A legend above or below the axes with as many columns as fit into the width of the figure.

    The figure grows by the rows of the legend, so that many methods leave the axes as large as few do.
    """
    widest = max((len(label) for label in labels), default=1)
    columns = max(1, min(int(figure.get_figwidth() / (0.055 * widest + 0.4)), len(labels)))
    figure.set_figheight(figure.get_figheight() + LINE * -(-len(labels) // columns))
    figure.legend(handles, labels, loc=where, ncols=columns, **more)


def require_few(what: str, count: int) -> None:
    """Raise UserError if there are more things to tell apart than colours."""
    require(
        count <= len(CATEGORIES),
        f"{count} {what} in one figure cannot be told apart; name at most {len(CATEGORIES)}",
    )


def require(condition: bool, message: str) -> None:
    """Raise UserError with the message unless the condition holds."""
    if not condition:
        raise UserError(message)
