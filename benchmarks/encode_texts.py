"""How fast are texts encoded? 2,040 of the committed ones, wrapped as the encoder reads them.

    python benchmarks/encode_texts.py [precision] [threads]

Gives processor seconds too, which other jobs on the machine disturb less. Results: README.md.
"""

import sys
import time
from pathlib import Path

import torch

from zssar import encoders
from zssar.text.answers import read_answers
from zssar.text.prompts import read_kind

COUNT = 2040
PROMPTS = Path(__file__).parents[1] / "prompts"


def committed_texts() -> list[str]:
    """COUNT different texts of all kinds and data sets, evenly picked."""
    texts = {}
    for path in sorted((PROMPTS / "frozen").glob("*/*.jsonl")):
        if path.stem.startswith("profile"):
            continue
        kind = read_kind(PROMPTS / f"{path.stem}.md")
        for line in read_answers(path):
            for unit, text in line.answers[0].items():
                texts[kind.wrapped(unit, text)] = None
    step = len(texts) / COUNT
    return [list(texts)[int(i * step)] for i in range(COUNT)]


def main() -> None:
    precision, threads = (*sys.argv[1:], *("fp32", "2")[len(sys.argv) - 1 :])
    torch.set_num_threads(int(threads))
    texts = committed_texts()
    start = time.perf_counter(), time.process_time()
    encoder = encoders.create("minilm", {"precision": precision}, "cpu")
    loaded = time.perf_counter(), time.process_time()
    encoder.encode(texts)
    done = time.perf_counter(), time.process_time()
    words = sum(len(text.split()) for text in texts) / len(texts)
    print(
        f"{len(texts)} texts of {words:.1f} words, {precision}, {threads} threads: "
        f"import and load {loaded[0] - start[0]:.1f} s ({loaded[1] - start[1]:.1f} processor s), "
        f"encode {done[0] - loaded[0]:.1f} s ({done[1] - loaded[1]:.1f} processor s)"
    )


if __name__ == "__main__":
    main()
