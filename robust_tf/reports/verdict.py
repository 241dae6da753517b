"""Which method of a matrix is ahead, or that nothing is separated, in sentences."""

import statistics

from robust_tf.reports.difference import OVER_SEEDS, separated_together
from robust_tf.reports.result_tables import doubts

DOUBTFUL = "Doubtful"


def headline(found, alone=("", "")):
    """Returns (message, level) for the top of a page.

    What differs in trainings and measurements comes first, then who is ahead and what doubts it.

    Args:
        found: `Matrix`.
        alone: (message, level) of the page of a single method, the claim of its paper.
    """
    if len(found.methods) < 2:
        return alone
    unlike = {"trainings": found.trainings, "measurements": found.measurements}
    lines = [f"The {what} differ: {'; '.join(said)}." for what, said in unlike.items() if said]
    if not found.rows:
        return "\n".join([*lines, "No measurement is common to two methods."]), ""
    decided, red = decisive(found.rows), {}
    ball = decided.first.result.threat_model
    for method in found.methods:
        for check in (c for run in method.runs for c in run.red_checks(ball)):
            red.setdefault(check["name"], {})[method.name] = True
    count = len(found.methods)
    checks = "; ".join(
        f"{name}: {', '.join(of) if len(of) < 3 else f'{len(of)} of {count}'}"
        for name, of in red.items()
    )
    said = [f"checks are red ({checks})"] if red else []
    cells = decided.cells.items()
    said += [f"{name}: {cell.warnings[0]}" for name, cell in cells if cell.warnings]
    doubt = f"{DOUBTFUL}, {'; '.join(said)}. " if said else ""
    alike = () if lines else ("Trainings and measurements differ in the method and the seed only.",)
    return "\n".join([*lines, doubt + verdicts(found.rows), *alike]), "red" if said else ""


def doubtful(run, result):
    """Returns the beginning of a claim that is doubted, "Doubtful, 1 check is red. "; or "".

    Args:
        run: `RecordedRun`.
        result: the `Result` that is claimed.
    """
    red = len(run.red_checks(result.threat_model))
    said = [f"{red} check{' is' if red == 1 else 's are'} red"] if red else []
    said += doubts(result)
    return f"{DOUBTFUL}, {'; '.join(said)}. " if said else ""


def decisive(rows):
    """Returns the `Row` that decides who is ahead.

    The candidates are the attacked rows with the metric of the first row; if there are some, rows
    with all methods and seeds. Of these it is the worst case over the most attacks, or else the
    attack that leaves least. Without a candidate it is the first row.

    Args:
        rows: list of `Row`, not empty.
    """
    metric = rows[0].first.result.metric
    attacked = [row for row in rows if row.attacked and row.first.result.metric == metric]
    attacked = [row for row in attacked if not row.missing] or attacked
    attacked = [row for row in attacked if row.complete] or attacked
    if not attacked:
        return rows[0]
    lowest = min(attacked, key=lambda row: min(cell.value for cell in row.cells.values()))
    return max([row for row in attacked if row.over] or [lowest], key=lambda row: len(row.over))


def verdicts(rows):
    """Returns the sentences on who is ahead, and what the leader pays on clean images, str.

    Where only some methods share a worst case over more attacks, its sentence comes first. The
    lowest score over all attacks has one, too: a worst case may leave nothing of all methods.

    Args:
        rows: list of `Row` of at least two methods, not empty.
    """
    first = decisive(rows)
    some = [row for row in rows if row.missing and len(row.over) > len(first.over) and row.attacked]
    more = max(some, key=lambda row: len(row.over), default=None)
    scores = [row for row in rows if row.first.sums_up and not row.missing]
    score = min(scores, key=_mean, default=None)
    said = [verdict(row) for row in (more, first, score) if row]
    return " ".join([*said, *_price(rows, first)])


def verdict(row):
    """Returns the sentence on who is ahead in a `Row`, or that nothing is separated.

    The leader is compared with each of the others. These comparisons with the best are corrected
    together; they are two-sided, which is more than Hsu 1996, "Multiple comparisons", asks for.

    Args:
        row: `Row` of at least two methods.
    """
    where = "under" if row.attacked else "in"
    title = row.title.replace(f", n {row.n:,}", "")  # the sentence says n itself
    if _nothing_left(row):
        return f"All methods have 0, {where} {title} on {row.n:,} images."
    sign = 1 if row.first.higher_is_better else -1
    leader, *others = _ranked(row)
    found = {other: row.difference(other, leader) for other in others}
    separated = dict(zip(others, separated_together([*found.values()]), strict=True))
    ahead = [other for other in others if separated[other]]
    level = [other for other in others if other not in ahead]
    tested = any(found[other].interval for other in others)
    if len(others) > 2 and not tested:
        parts = [f"{leader} leads {_listed(others, found, sign)} (points; not tested)"]
    elif len(others) > 2:
        parts = [f"{leader} is ahead of {_listed(ahead, found, sign)}"] if ahead else []
        parts += [f"{leader} is not separated from {_listed(level, found, sign)}"] if level else []
        alone = any(change.test.endswith(OVER_SEEDS) for change in found.values())
        parts[-1] += f" (points; tested{f'{OVER_SEEDS} alone' if alone else ''})"
    else:
        parts = [f"{leader} is ahead of {o} by {said(found[o], sign)}" for o in ahead]
        end = ", not separated" if ahead else ""
        parts += [f"{leader} − {o} is {said(found[o], sign)}{end}" for o in level]
    start = "Nothing is separated: " if tested and not ahead else ""
    fewer = [
        f"; {name} with {len(cell.entries)} of {cell.seeds} seeds"
        for name, cell in row.cells.items()
        if len(cell.entries) < cell.seeds
    ]
    many = tested and len(others) > 1
    corrected = [f"; {len(others)} comparisons, Holm's correction"] if many else []
    beside = "".join([*corrected, *fewer])
    return f"{start}{'; '.join(parts)}, {where} {title} on {row.n:,} images{beside}."


def said(found, sign=1):
    """Returns a `Difference` in words."""
    text = f"{sign * found.value:+.2f} points"
    if not found.interval:
        return f"{text} (not tested)"
    low, high = sorted(sign * bound for bound in found.interval)
    test = found.test if found.p is None else f"{found.test} p = {found.p:.2g}"
    return f"{text} (95 % interval {low:+.2f} to {high:+.2f}, {test})"


def _nothing_left(row):
    """Whether all methods have 0: then none of them leads."""
    return not any(cell.value for cell in row.cells.values())


def _mean(row):
    return statistics.mean(cell.value for cell in row.cells.values())


def _ranked(row):
    """The names of the methods, the best first."""
    sign = 1 if row.first.higher_is_better else -1
    return sorted(row.cells, key=lambda name: -sign * row.cells[name].value)


def _price(rows, row):
    """Yields a sentence where the leader of `row` loses to the next method on clean images.

    A network near collapse moves little under attack, and leads.
    """
    clean, (leader, second, *_) = rows[0], _ranked(row)
    if _nothing_left(row) or clean.attacked or {leader, second} & {*clean.missing}:
        return
    change = clean.difference(second, leader)
    if change.separated and change.value < 0:
        both = " beside ".join(f"{clean.cells[name].value:.1f}" for name in (leader, second))
        yield f"On clean images {leader} is behind {second}: {both} ({clean.title})."


def _listed(names, found, sign):
    return ", ".join(f"{name} ({sign * found[name].value:+.2f})" for name in names)
