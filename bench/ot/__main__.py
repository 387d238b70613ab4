"""``python -m bench.ot``: both runners in turn, several times; the medians and their ratios."""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from bench.ot.inputs import make_inputs

FOLDER = Path(__file__).parent
Figures = dict[str, float]


def main() -> None:
    """Measure and print."""
    arguments = read_arguments()
    node = shutil.which("node")
    if node is None:
        sys.exit("bench.ot needs Node.js 20 or newer on PATH")
    install_quill_delta()
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
        json.dump(make_inputs(arguments.seed), file)
        file.flush()
        rest = [file.name, str(arguments.seconds)]
        commands = {
            "node": [node, "node_runner.mjs", *rest],
            "python": [sys.executable, "-m", "bench.ot.python_runner", *rest],
        }
        runs = [
            {side: figures_of(command) for side, command in commands.items()} for _ in range(arguments.runs)
        ]
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(runs, indent=1), "utf-8")
    print_table(runs, arguments.seed)


def read_arguments() -> argparse.Namespace:
    """Return the arguments of the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.ot", description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="of each side, in turn")
    parser.add_argument("--seconds", type=float, default=0.5, help="how long a batch is repeated in a run")
    parser.add_argument("--seed", type=int, default=1, help="of the typing that is made up")
    parser.add_argument("--json", help="write every run's figures to this file")
    return parser.parse_args()


def install_quill_delta() -> None:
    """Install the locked quill-delta beside the runner, if it is not there."""
    if not (FOLDER / "node_modules" / "quill-delta").is_dir():
        npm = ["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]
        subprocess.run(npm, cwd=FOLDER, check=True, stdout=sys.stderr)


def figures_of(command: list[str]) -> Figures:
    """Run one runner and return what it prints."""
    root = FOLDER.parent.parent
    cwd = root if "-m" in command else FOLDER
    environment = os.environ | {"PYTHONPATH": str(root)}
    done = subprocess.run(command, cwd=cwd, env=environment, check=True, stdout=subprocess.PIPE, text=True)
    figures: Figures = json.loads(done.stdout)
    return figures


def print_table(runs: list[dict[str, Figures]], seed: int) -> None:
    """Print the medians, and the median of each run's own ratio with its range."""
    print(f"seed {seed}, {len(runs)} runs of each; µs per case; a transform is both sides\n")
    print(f"{'':30} {'node':>8} {'python':>8} {'ratio':>7}  range")
    for name in runs[0]["node"]:
        node, python = ([run[side][name] for run in runs] for side in ("node", "python"))
        if "length" in name:
            if node != python:
                sys.exit(f"{name}: the documents differ, {node} and {python}")
            continue
        ratios = sorted(ours / theirs for ours, theirs in zip(python, node, strict=True))
        span = f"{ratios[0]:.2f}–{ratios[-1]:.2f}"
        print(f"{name:30} {median(node):8.2f} {median(python):8.2f} {median(ratios):6.2f}×  {span}")


if __name__ == "__main__":
    main()
