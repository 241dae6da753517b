"""The matrix of methods and attacks in a terminal and on a page."""

import textwrap

from robust_tf.reports.bars import Bar
from robust_tf.reports.matrix import decisive, training_differences, verdicts
from robust_tf.reports.page import Mark, Page
from robust_tf.reports.result_tables import DOUBTED
from robust_tf.reports.table import MISSING, aligned

COLUMNS = 100  # of a terminal
MOST = 3  # methods whose intervals fit them


def terminal_lines(methods, rows, differences):
    """Yields the paragraphs of a comparison, str: trainings, verdict, values, differences.

    Args:
        methods: list of `Method`.
        rows: list of `Row`.
        differences: list of str, what differs in the trainings.
    """
    if len(methods) > 1:
        yield _wrapped(headline(methods, rows, differences)[0])
    names = [method.name for method in methods]
    header = ("attack", "n", *(named(method) for method in methods))
    lines = [
        (row.title, f"{row.n:,}", *(value(row.cells.get(n), len(names) <= MOST) for n in names))
        for row in rows
    ]
    yield aligned(header, lines)
    for name in names[1:]:
        yield aligned(
            (f"{name} − {names[0]}", "difference", "95% interval", "test", "p"),
            [
                (row.title, *_cells(row.difference(names[0], name)))
                for row in rows
                if not {names[0], name} & {*row.missing}
            ],
        )
    yield from map(_wrapped, doubts(rows))


def headline(methods, rows, differences):
    """Returns (message, level) for the top of a page.

    The message says what differs in the trainings, which method is ahead, and which checks doubt it.

    Args:
        methods: list of at least two `Method`s.
        rows: list of `Row`.
        differences: list of str, what differs in the trainings.
    """
    message = f"{trained(differences)}\n"
    if not rows:
        return f"{message}No measurement is common to all methods.", ""
    row = decisive(rows)
    red = [
        f"{method.name}: {check['name']}"
        for method in methods
        for run in method.runs
        for check in run.red_checks(row.first.result.threat_model)
    ]
    if not red:
        return message + verdicts(rows), ""
    checks = ", ".join(dict.fromkeys(red))
    return f"{message}Doubtful, checks are red ({checks}). {verdicts(rows)}", "red"


def show(methods, rows, compared, html=None):
    """Prints a comparison, and writes its page if a file is named.

    Args:
        methods, rows: see `terminal_lines`.
        compared: function (flags) -> names of the flags that a training reads.
        html: path of the page, None for none.
    """
    differences = training_differences(methods, compared)
    print("\n\n".join(terminal_lines(methods, rows, differences)))
    if html:
        message = headline(methods, rows, differences) if len(methods) > 1 else ()
        page = Page(page_title(methods), *message)
        add_matrix(page, methods, rows)
        page.write(html)
        print(f"\npage: {html}")


def page_title(methods):
    """Returns the names of the methods and their data set."""
    dataset = methods[0].runs[0].results[0].dataset
    return f"{', '.join(map(named, methods))} on {dataset}"


def trained(differences):
    """Returns what differs in the trainings as a sentence."""
    if not differences:
        return "The trainings differ in the method and the seed only."
    return f"The trainings differ: {'; '.join(differences)}."


def named(method):
    """Returns the name of a method with the number of its seeds."""
    return f"{method.name} ({len(method.runs)} seeds)" if len(method.runs) > 1 else method.name


def value(cell, with_interval=True):
    """Returns a `Cell` as text: the value, its interval or spread, a mark where it is doubted.

    Args:
        cell: `Cell`; None for a method without the measurement.
        with_interval: bool.
    """
    if cell is None:
        return MISSING
    mark = f" {DOUBTED}" if cell.warnings else ""
    if cell.spread is not None:
        return f"{cell.value:.2f} ± {cell.spread:.2f}{mark}{_fewer(cell)}"
    if not with_interval or not cell.interval:
        return f"{cell.value:.2f}{mark}{_fewer(cell)}"
    low, high = cell.interval
    return f"{cell.value:.2f}{mark} ({low:.1f} to {high:.1f}){_fewer(cell)}"


def _fewer(cell):
    """How many seeds have this measurement, where not all have it."""
    return f" ({len(cell.entries)} of {cell.seeds} seeds)" if len(cell.entries) < cell.seeds else ""


def doubts(rows):
    """Yields a line for every doubt of the evaluation about numbers of the matrix."""
    found = {}
    for row in rows:
        for name, cell in row.cells.items():
            for message in cell.warnings:
                found.setdefault((name, message), []).append(row.title)
    for (name, message), titles in found.items():
        yield f"{DOUBTED} {name}: {message} ({', '.join(titles)})"


def add_matrix(page, methods, rows):
    """Adds bars with intervals and the table of values and differences.

    Args:
        page: `Page`.
        methods, rows: see `terminal_lines`.
    """
    add_bars(page, methods, rows)
    add_table(page, methods, rows)


def add_bars(page, methods, rows):
    """Adds bars with intervals for the rows that are shares; arguments: see `add_matrix`."""
    names = [method.name for method in methods]
    shares = [row for row in rows if row.first.scale == 100 and row.first.higher_is_better]
    if shares:
        groups = {row.title: [_bar(row.cells.get(name)) for name in names] for row in shares}
        alt = "; ".join(
            f"{row.title}: " + ", ".join(f"{n} {value(row.cells.get(n))}" for n in names)
            for row in shares
        )
        spread = "whiskers: 95 % interval, of several seeds one standard deviation"
        n = "/".join(sorted({f"{row.n:,}" for row in shares}))
        page.bars(groups, list(map(named, methods)), alt=alt, caption=f"In %, n {n}; {spread}.")


def add_table(page, methods, rows):
    """Adds the table of values and differences; takes the arguments of `add_matrix`."""
    names = [method.name for method in methods]
    header = ("attack", "n", *map(named, methods), *(f"{n} − {names[0]}" for n in names[1:]))
    lines = [
        (
            row.title,
            f"{row.n:,}",
            *(value(row.cells.get(name)) for name in names),
            *(_mark(row, names[0], name) for name in names[1:]),
        )
        for row in rows
    ]
    page.table(header, lines, caption=_how(rows, names))
    for line in doubts(rows):
        page.paragraph(line)


def _how(rows, names):
    """How the differences were tested, for the caption of the table."""
    if not names[1:]:
        return "in parentheses: 95 % interval"
    tests = {
        row.difference(names[0], name).test
        for row in rows
        for name in names[1:]
        if not {names[0], name} & {*row.missing}
    }
    said = ", ".join(sorted(filter(None, tests))) or "none"
    return (
        "in parentheses: 95 % interval; coloured: separated at the 5 % level, each row alone; "
        f"tests: {said}"
    )


def _wrapped(text):
    return "\n".join(textwrap.fill(line, COLUMNS) for line in text.splitlines())


def _bar(cell):
    if cell is None:
        return None
    low, high = cell.interval or (None, None)
    return Bar(cell.value, low, high, f"{cell.value:.1f}{' ' + DOUBTED if cell.warnings else ''}")


def _mark(row, first, name):
    if {first, name} & {*row.missing}:
        return MISSING
    found = row.difference(first, name)
    change, interval, _, p = _cells(found)
    text = change if interval == MISSING else f"{change} ({interval})"
    text += "" if p == MISSING else f", p {p}"
    if not found.separated:
        return text
    better = (found.value > 0) == row.first.higher_is_better
    return Mark(text, "green" if better else "red")


def _cells(found):
    """difference, interval, test, p as text."""
    interval, p = MISSING, MISSING
    if found.interval:
        low, high = found.interval
        interval = f"{low:+.2f} to {high:+.2f}"
    if found.p is not None:
        p = f"{found.p:.2g}" + (" *" if found.separated else "")
    return f"{found.value:+.2f}", interval, found.test or MISSING, p
