"""A row of a published table is one command: train, measure every column, paper beside ours."""

import dataclasses
import functools
import re
import shlex
import sys
from collections.abc import Callable

from robust_tf.cli import command_line
from robust_tf.cli.flag import number, switch, text
from robust_tf.cli.flag_table import FlagTable
from robust_tf.errors import UserError
from robust_tf.reports import published
from robust_tf.reports.table import aligned
from robust_tf.runs.child_processes import exit_code, forwarding

RUN_TABLE = FlagTable(
    {
        "Rows": (
            text("row", None, "Name of a row; --list shows them."),
            text("rows", None, "Rows by a pattern: * stands for any text."),
            switch("list", False, "Show the rows that can be trained."),
            switch("dry_run", False, "Show the commands and the published values only."),
            switch("device_hours", False, "Show what the trainings cost, an estimate, only."),
            number(
                "device_tflops",
                10.0,
                "TFLOP/s that a device keeps up, of --device_hours.",
                lowest=0.001,
            ),
        )
    }
)


@dataclasses.dataclass(frozen=True)
class Paper:
    """The tables of a paper. Rows may share commands, which are run once.

    Attributes:
        rows: function () -> list of `PublishedRow`.
        commands: function (row, flags of the training) -> list of (module, list of arguments) that
            train and measure the row.
        comparison: function (row, flags of the training) -> str, the published values beside ours.
        training: `FlagTable` of the trainings.
        training_run: function (`Options` of a training) -> its `TrainingRun`.
    """

    rows: Callable
    commands: Callable
    comparison: Callable
    training: FlagTable
    training_run: Callable


def run(argv=None, *, paper, about):
    """Runs the command; returns its exit code.

    A flag that `RUN_TABLE` lacks is one of the training.

    Args:
        argv, about: see `command_line.run`.
        paper: `Paper`.
    """
    command, *arguments = joined(sys.argv if argv is None else argv)
    names = {*RUN_TABLE.flags, "help", "h"}
    own = [argument for argument in arguments if _name(argument) in names]
    flags = [argument for argument in arguments if argument not in own]
    body = functools.partial(_run, paper=paper, flags=flags)
    return command_line.run([command, *own], table=RUN_TABLE, body=body, about=about)


def joined(arguments, table=RUN_TABLE):
    """Returns the arguments with `--row NAME` as `--row=NAME`, as every other command takes both.

    Args:
        arguments: list of str.
        table: `FlagTable`; flags of others stay as they are.
    """
    valued = {name for name, flag in table.flags.items() if flag.kind != "switch"}
    words = iter(arguments)
    return [
        f"{word}={next(words, '')}" if word.startswith("-") and word.lstrip("-") in valued else word
        for word in words
    ]


def without(arguments, names, table):
    """Returns the arguments without the flags called `names`, a list.

    Args:
        arguments: list of str.
        names: set of names of flags in `table`, a `FlagTable`.
    """
    typed = {*names, *(f"no{name}" for name in names if table.flags[name].kind == "switch")}
    return [word for word in joined(arguments, table) if _name(word) not in typed]


def matching(rows, name, pattern):
    """Returns the rows called `name` or matching `pattern`, of which one is None; [] for none."""
    wanted = re.escape(name or pattern or "")
    if name is None:
        wanted = wanted.replace(r"\*", ".*")
    return [row for row in rows if re.fullmatch(wanted, row.name)]


def _run(options, *, paper, flags):
    rows = paper.rows()
    trainable = [row for row in rows if row.flags]
    if options.list:
        print("\n".join(row.name for row in trainable))
        return 0
    chosen = _chosen(rows, options.row, options.rows, flags)
    if options.device_hours:
        print(_costs(chosen, flags, paper, options.device_tflops))
        return 0
    # A mistake in the flags of the last row is said before the first one trains for days.
    planned = [(row, paper.commands(row, flags)) for row in chosen]
    done = []
    for row, commands in planned:
        for module, arguments in commands:
            if (module, arguments) in done:
                continue
            done.append((module, arguments))
            print(shlex.join(["python", "-m", module, *map(str, arguments)]), flush=True)
            # A process of its own: one command's precision and devices are not the next one's.
            code = 0 if options.dry_run else _call(module, arguments)
            if code:
                return code
        print(f"published, {row.name}: {_published(row)}")
        if not options.dry_run:
            print(f"\n{paper.comparison(row, flags)}\n", flush=True)
    return 0


def _costs(rows, flags, paper, tflops):
    """A line per training, and the sum."""
    commands = [command for row in rows for command in paper.commands(row, flags)]
    trainings = [arguments for module, arguments in commands if module.endswith(".train")]
    runs = {shlex.join(each): paper.training_run(paper.training.parse(each)) for each in trainings}
    flop = {name: run.flop() for name, run in runs.items()}
    lines = [
        (f"{cost / tflops / 3.6e15:.2f}", f"{cost / 1e15:.4g}", name)
        for name, cost in {**flop, f"all {len(flop)}": sum(flop.values())}.items()
    ]
    header = (f"hours at {tflops:g} TFLOP/s", "PFLOP", "training")
    return aligned(header, lines)


def _chosen(rows, name, pattern, flags):
    if (name is None) == (pattern is None):
        raise UserError("give one of --row=NAME, --rows=PATTERN and --list")
    found = [published.find(rows, name)] if name is not None else matching(rows, None, pattern)
    trainable = [row for row in found if row.flags]
    if not trainable and found:
        raise UserError(
            f"{found[0].name} is quoted to compare with; no flags of this package reproduce it"
        )
    if not trainable:
        raise UserError(f"--rows={pattern} matches no row; --list shows them")
    if len(trainable) > 1 and any(_name(flag) == "workdir" for flag in flags):
        raise UserError(
            f"--workdir is one folder, --rows={pattern} are {len(trainable)} rows; leave it out"
        )
    return trainable


def _name(argument):
    return argument.lstrip("-").partition("=")[0]


def _call(module, arguments):
    """Runs a command to its end; returns its exit code."""
    with forwarding() as start:
        return exit_code(start([sys.executable, "-m", module, *arguments]))


def _published(row):
    if getattr(row, "collapse", False):
        return "collapse"
    marks = {column: f" {published.DOUBT}" for column in row.doubtful}
    values = [f"{name} {value:g}{marks.get(name, '')}" for name, value in row.values.items()]
    return ", ".join(values) or "nothing"
