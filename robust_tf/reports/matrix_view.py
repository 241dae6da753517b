"""The matrix of methods and attacks in a terminal and on a page."""

import textwrap

from robust_tf.data.text_lines import visible
from robust_tf.reports.bars import Bar
from robust_tf.reports.html_table import Mark
from robust_tf.reports.page import Page
from robust_tf.reports.result_tables import DOUBTED
from robust_tf.reports.table import COLUMNS, MISSING, aligned, with_narrow_titles
from robust_tf.reports.verdict import decisive, headline

SPREAD = "one standard deviation over seeds"
MOST = 3  # methods whose differences fit the table of their values
TOLD = 3  # rows of a picture that is described whole
TITLE = 60  # letters of a page's title that may name methods


def show(found, html=None):
    """Prints a `Matrix`, and writes its page if the path of a file is given."""
    print(visible("\n\n".join(terminal_lines(found))))
    if html:
        page = page_of(found)
        add_matrix(page, found)
        page.write(html)
        print(f"\npage: {html}")


def page_of(found, alone=("", "")):
    """Returns the `Page` of a `Matrix`, with its title and its message; `alone`: see `headline`."""
    dataset = found.methods[0].runs[0].results[0].dataset
    named = map(", ".join, ([method.title for method in found.methods], found.names))
    title = next((text for text in named if len(text) <= TITLE), f"{len(found.methods)} methods")
    return Page(f"{title} on {dataset}", *headline(found, alone))


def terminal_lines(found):
    """Yields the paragraphs of a `Matrix`, str: what differs, verdict, values, differences."""
    if len(found.methods) > 1:
        yield _wrapped(headline(found)[0])
        if not found.rows:
            return
    header, lines = table_of(found)
    yield aligned(header, with_narrow_titles(lines))
    first, *others = found.names
    for name in others:
        header = (f"{name} − {first}", "difference", "95% interval", "test", "p")
        tested = [(row.title, row.difference(first, name)) for row in found.rows]
        lines = [(title, *_cells(change)) for title, change in tested if change]
        yield aligned(header, with_narrow_titles(lines))
    yield from map(_wrapped, notes(found.rows))


def table_of(found):
    """Returns (header, lines) of the values of a `Matrix`, all str."""
    return ("attack", "n", *(method.title for method in found.methods)), [
        (row.title, f"{row.n:,}", *(value(row.cells.get(name)) for name in found.names))
        for row in found.rows
    ]


def value(cell):
    """Returns a `Cell` as text: the value, its interval or spread, a mark where it is doubted.

    None, of a method without the measurement, is a dash.
    """
    if cell is None:
        return MISSING
    mark = f" {DOUBTED}" if cell.warnings else ""
    if len(cell.entries) < cell.seeds:
        mark += f" ({len(cell.entries)} of {cell.seeds} seeds)"
    if cell.spread is not None:
        return f"{cell.value:.2f} ± {cell.spread:.2f}{mark}"
    if not cell.interval:
        return f"{cell.value:.2f}{mark}"
    low, high = cell.interval
    digits = 1 if cell.entries[0].scale == 100 else 2
    return f"{cell.value:.2f} ({low:.{digits}f} to {high:.{digits}f}){mark}"


def notes(rows):
    """Yields what the signs in a table of the rows mean: ±, and a line for every doubt."""
    if any(cell.spread is not None for row in rows for cell in row.cells.values()):
        yield f"±: {SPREAD}"
    yield from doubts(rows)


def doubts(rows):
    """Yields a line for every doubt of the evaluation about numbers of the matrix."""
    found = {}
    for row in rows:
        for name, cell in row.cells.items():
            for message in cell.warnings:
                found.setdefault((name, message), []).append(row.title)
    for (name, message), titles in found.items():
        yield f"{DOUBTED} {name}: {message} ({', '.join(titles)})"


def add_matrix(page, found):
    """Adds bars of what all methods have, with intervals, and the table of values and differences.

    `page` is a `Page`, `found` a `Matrix`, here and below.
    """
    if found.rows:
        shared = [row for row in found.rows if row.over or not row.missing]
        add_bars(page, found, shared or found.rows)
        add_table(page, found)


def add_bars(page, found, rows):
    """Adds bars with intervals for the `rows` whose values are shares; see `add_matrix`."""
    shares = [row for row in rows if row.first.scale == 100 and row.first.higher_is_better]
    if not shares:
        return
    counts = sorted({row.n for row in shares})
    groups = {
        _label(row, counts): [_bar(row.cells.get(name)) for name in found.names] for row in shares
    }
    first, decided, told = shares[0], decisive(shares), shares
    if len(shares) > TOLD:
        told = [first, *([decided] * (decided is not first))]
    alt = "; ".join(
        f"{_label(row, counts)}: "
        + ", ".join(f"{name} {value(cell)}" for name, cell in row.cells.items())
        for row in told
    )
    alt += "; all others in the table" * (len(told) < len(shares))
    spread = SPREAD
    single = {cell.spread is None for row in shares for cell in row.cells.values()}
    if True in single:
        several = ", of several seeds one standard deviation" * (False in single)
        spread = f"95 % interval{several}"
    n = f"n {counts[0]:,}; " if len(counts) == 1 else ""
    known = [cell.interval is not None for row in shares for cell in row.cells.values()]
    without = " Bars without whiskers have no interval." * (not all(known))
    caption = f"In %; {n}whiskers: {spread}.{without}" if any(known) else f"In %; {n}no intervals."
    page.bars(groups, [method.title for method in found.methods], alt=alt, caption=caption)


def add_table(page, found):
    """Adds the table of values, the differences from the first method, and the doubts.

    The differences of many methods are a table of their own, folded away.
    """
    first, *others = found.names
    header, values = table_of(found)
    marks = [[_mark(row, first, name) for name in others] for row in found.rows]
    changes = tuple(f"{name} − {first}" for name in others)
    how = _how([row.difference(first, name) for row in found.rows for name in others])
    if len(found.names) <= MOST:
        lines = [(*line, *marked) for line, marked in zip(values, marks, strict=True)]
        about = _about("values and differences" if others else "values", lines)
        page.table((*header, *changes), lines, caption=f"{about}{how}", kind="matrix")
    else:
        page.table(header, values, caption=_about("values", values), kind="matrix")
        with page.details(f"Differences from {first}, with intervals and tests"):
            lines = [(row.title, *m) for row, m in zip(found.rows, marks) if {*m} != {MISSING}]
            about = _about("differences", lines)
            page.table(("attack", *changes), lines, caption=f"{about}{how}", kind="matrix")
    for line in doubts(found.rows):
        page.paragraph(line)


def _label(row, counts):
    """The title of a row, with its n where the rows of a picture have several."""
    n = f", n {row.n:,}"
    return row.title if len(counts) == 1 or n in row.title else f"{row.title}{n}"


def _about(what, lines):
    """The caption of a table: what it has, and what the signs in its cells mean."""
    text = " ".join(str(cell) for line in lines for cell in line[1:])
    interval = "; in parentheses: 95 % interval" * (" to " in text)
    return f"{what}{interval}{f'; ±: {SPREAD}' * ('±' in text)}"


def _how(differences):
    """How the differences were tested, for the caption of the table."""
    tests = sorted({change.test for change in differences if change and change.test})
    if not differences:
        return ""
    named = ", ".join(tests) or "none"
    return f"; * and coloured: separated at the 5 % level, each row alone; tests: {named}"


def _wrapped(text):
    return "\n".join(textwrap.fill(line, COLUMNS) for line in text.splitlines())


def _bar(cell):
    if cell is None:
        return None
    low, high = cell.interval or (None, None)
    return Bar(cell.value, low, high, f"{cell.value:.1f}{' ' + DOUBTED if cell.warnings else ''}")


def _mark(row, first, name):
    """The cell of a difference, coloured where it is separated."""
    found = row.difference(first, name)
    if found is None:
        return MISSING
    change, interval, _, p = _cells(found)
    text = change if interval == MISSING else f"{change} ({interval})"
    text += "" if p == MISSING else f", p {p}"
    if not found.separated:
        return text
    better = (found.value > 0) == row.first.higher_is_better
    return Mark(f"{text.removesuffix(' *')} *", "green" if better else "red")


def _cells(found):
    """difference, interval, test, p as text."""
    interval, p = MISSING, MISSING
    if found.interval:
        low, high = found.interval
        interval = f"{low:+.2f} to {high:+.2f}"
    if found.p is not None:
        p = f"{found.p:.2g}" + (" *" if found.separated else "")
    return f"{found.value:+.2f}", interval, found.test or MISSING, p
