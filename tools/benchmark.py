"""Speed as ratios that were measured side by side in one run.

    python tools/benchmark.py training --flagfile=flags/tla/cifar10_quick.flags
    python tools/benchmark.py training --flagfile=flags/hm/mnist.flags
    python tools/benchmark.py loop --flagfile=flags/tla/cifar10_quick.flags
    python tools/benchmark.py input --dataset=cifar10 --data_dir=DIR
    python tools/benchmark.py precision --flagfile=flags/tla/cifar10_quick.flags --model=wrn_10_4
    python tools/benchmark.py overhead --flagfile=flags/tla/cifar10_quick.flags
    python tools/benchmark.py attacks --workdir=UNDEFENDED_RUN,DEFENDED_RUN
    python tools/benchmark.py autoattack --workdir=RUN[,RUN2] --images=1000
    python tools/benchmark.py retrieval
    python tools/benchmark.py serving
    python tools/benchmark.py search
    python tools/benchmark.py ranking_attacks --model=resnet18

Every round times each row once, in turn. A ratio is the median of the rounds' ratios with its
quartiles, so a drift of the machine cancels. --rounds says how many there are.
`python tools/benchmark.py NAME --help` says what NAME measures and lists its flags.
"""

import importlib
import sys

from benchmarks import commands

from robust_tf.cli import command_line


def main(arguments):
    """Runs the command; returns its exit code."""
    name, *given = arguments or [""]
    if name in ("--help", "-h"):
        print(__doc__)
        return 0
    if name not in commands.typed_names():
        print(__doc__, file=sys.stderr)
        return 2
    file = commands.file_of(name, given)
    return command_line.run(
        ["benchmark", *given],
        table=commands.TABLES[file],
        body=lambda options: _measure(file, options),
        about=commands.about(file),
    )


def _measure(file, options):
    import tensorflow as tf

    # One function a row is what is wanted here, not a sign of retracing.
    tf.get_logger().setLevel("ERROR")
    importlib.import_module(f"benchmarks.{file}").run(options)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
