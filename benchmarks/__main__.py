"""Runs benchmarks by name: `python -m benchmarks [NAME ...]`; without a name all of them, `--list` says what there is.

Each runs in a process of its own, so that the peak memory of one is not that of another. Options of a single one:
`python benchmarks/NAME.py --help`. Results are kept in benchmarks/README.md.
"""

from __future__ import annotations

import argparse
import ast
import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
NOT = ("__main__", "ntu_files")  # scripts that measure nothing


def benchmarks() -> dict[str, str]:
    """Name -> first sentence. A benchmark is a script here that needs no argument and prints what it found."""
    found = {}
    for path in sorted(HERE.glob("*.py")):
        text = path.read_text(encoding="utf-8")
        is_script = 'if __name__ == "__main__"' in text
        if is_script and "required=True" not in text and path.stem not in NOT:
            found[path.stem] = (ast.get_docstring(ast.parse(text)) or "").split("\n")[0]
    return found


def main() -> int:
    known = benchmarks()
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(known))
    parser.add_argument("--list", action="store_true", help="say what there is and stop")
    args = parser.parse_args()
    unknown = [name for name in args.names if name not in known]
    if unknown:
        parser.error(f"no benchmark {', '.join(unknown)}; there are: {', '.join(known)}")
    if args.list:
        print(*(f"{name:20} {line}" for name, line in known.items()), sep="\n")
        return 0
    source = str(HERE.parent / "src")
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([source, os.environ.get("PYTHONPATH", "")])}
    failed = []
    for name in args.names or known:
        print(f"== {name}: {known[name]}", flush=True)
        if subprocess.run([sys.executable, HERE / f"{name}.py"], env=env).returncode:
            failed.append(name)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return len(failed)


if __name__ == "__main__":
    raise SystemExit(main())
