"""Pick the parameters of a method on validation splits."""

from __future__ import annotations

import json

HELP = "Pick a method's parameters by their accuracy on validation splits."


def add_arguments(parser) -> None:
    parser.add_argument("--choose", required=True, type=json.loads, help="JSON: parameter -> values to try")
    parser.add_argument(
        "--scores", nargs="+", required=True, help="scores on validation splits, candidate by candidate"
    )
    parser.add_argument("--labels", nargs="+", required=True, help="test_labels.csv of the validation splits, in order")
    parser.add_argument("--output", required=True, help="output: chosen.json, for align --chosen")


def run(args) -> None:
    from zssar.errors import UserError
    from zssar.evaluation.choice import choose, combinations
    from zssar.evaluation.trials import load_trial
    from zssar.storage import write_json

    candidates, splits = combinations(args.choose), len(args.labels)
    if len(args.scores) != len(candidates) * splits:
        raise UserError(
            f"--choose makes {len(candidates)} candidates on {splits} validation splits, which is "
            f"{len(candidates) * splits} score files; --scores has {len(args.scores)}"
        )
    trials = [
        [load_trial(s, labels) for s, labels in zip(args.scores[i * splits : (i + 1) * splits], args.labels)]
        for i in range(len(candidates))
    ]
    result = choose(candidates, trials)
    write_json(args.output, result)
    for one in result["candidates"]:
        print(f"{one['validation_top1']:6.2f}  {json.dumps(one['params'])}")
    print(f"chosen: {json.dumps(result['params'])}")
