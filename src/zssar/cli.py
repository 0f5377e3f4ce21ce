"""The command line: ``zssar <verb>``. A verb is a module of ``zssar.commands`` and a rule of the workflow."""

from __future__ import annotations

import argparse
import importlib
import os
import pkgutil
import sys

from zssar import __version__, commands, starting
from zssar.errors import UserError, unknown


def verbs() -> list[str]:
    """The names of all commands, found by looking into the folder."""
    return sorted(module.name for module in pkgutil.iter_modules(commands.__path__))


def parser(only: str | None = None) -> argparse.ArgumentParser:
    """The whole command line, or one verb of it. Command modules are light; what they run is imported when it runs."""
    main_parser = argparse.ArgumentParser(
        prog="zssar",
        description="Zero-shot skeleton action recognition, from raw recordings to tables. "
        "The whole pipeline: snakemake --cores all results/table1.csv",
    )
    main_parser.add_argument("--version", action="version", version=f"zssar {__version__}")
    main_parser.add_argument("--traceback", action="store_true", help="show where an error was raised")
    sub = main_parser.add_subparsers(dest="verb", metavar="VERB", required=True)
    for verb in verbs() if only is None else [only]:
        module = importlib.import_module(f"zssar.commands.{verb}")
        command = sub.add_parser(verb, help=module.HELP, description=module.HELP)
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return main_parser


def main(argv: list[str] | None = None) -> int:
    """Run one verb. Exit code 0, 2 for bad input (one message on stderr), 130 when interrupted."""
    if argv is None:
        starting.program("zssar")
        argv = sys.argv[1:]
    try:
        first = next((word for word in argv if not word.startswith("-")), None)
        if first is not None and first not in verbs():
            raise unknown("verb", first, verbs())
        args = parser(first).parse_args(argv)
        args.run(args)
    except UserError as error:
        if "--traceback" in argv:
            raise
        print(f"zssar: error: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("zssar: interrupted; nothing finished is lost", file=sys.stderr)
        return 130
    except BrokenPipeError:  # the reader of our output, such as `head`, has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    return 0


if __name__ == "__main__":
    sys.exit(main())
