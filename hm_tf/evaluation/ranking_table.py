"""Clean retrieval, the ten attack columns and ERS as text, made of stored results only."""

from hm_tf.evaluation.ranking_records import WORST_CASE
from hm_tf.evaluation.robustness_score import COLUMNS, printed
from robust_tf.reports.table import aligned
from robust_tf.threat_model import format_magnitude

SCORE = ("ERS", "ERS")


def ranking_table(results, warning=""):
    """Returns the table of one evaluation, at most 100 columns wide; a score never stands alone.

    Args:
        results: list of `Result` of one network; those of one row share mode and strength.
        warning: str, stands below the clean metrics, see `EmbeddedTestSet.warning`.
    """
    clean = [result for result in results if result.attack == "clean"]
    rows = _rows(results)
    parts = ["\n".join(filter(None, [_clean(clean), warning]))] if clean else []
    if rows:
        parts += [_attacked(rows), _notes(rows)]
    return "\n\n".join(parts)


def _clean(clean):
    names = [result.metric for result in clean]
    return aligned(("clean %", *names), [("", *(f"{100 * r.value:.1f}" for r in clean))])


def _rows(results):
    """(strength, mode) -> (attack, metric) -> Result, modes one after the other."""
    rows = {}
    for result in results:
        if result.attack != "clean":
            settings = result.attack_settings
            row = rows.setdefault((settings["mode"], settings["strength"]), {})
            row[result.attack, result.metric] = result
    return rows


def _attacked(rows):
    found = {place for row in rows.values() for place in row}
    columns = [c for c in COLUMNS if (c.attack, c.measure) in found]
    names = [column.name for column in columns] + (["ERS"] if SCORE in found else [])
    lines = []
    for (mode, strength), row in rows.items():
        lines.append((mode, strength, *_cells(row, columns)))
        if strength == "strong":
            before = rows.get((mode, "protocol"))
            if before:
                lines.append((mode, "change", *_changes(before, row, columns)))
    return aligned(("mode", "strength", *names), lines)


def _cells(row, columns):
    cells = [_text(c, printed(c, row[c.attack, c.measure].value)) for c in columns]
    if SCORE in row:
        cells.append("collapsed" if _collapsed(row) else f"{100 * row[SCORE].value:.1f}")
    return cells


def _changes(before, after, columns):
    """Of each column, and the fall of the score, from the protocol to the strong attack."""
    cells = []
    for column in columns:
        place = column.attack, column.measure
        change = printed(column, after[place].value) - printed(column, before[place].value)
        cells.append(_text(column, change, "+"))
    if SCORE in after:
        fall = 100 * (after[SCORE].value - before[SCORE].value)
        cells.append("-" if _collapsed(after) else f"{fall:+.1f}")
    return cells


def _text(column, value, sign=""):
    return f"{value:{sign}.1f}" if column.percent else f"{value:{sign}.3f}"


def _collapsed(row):
    return row[SCORE].attack_settings["collapsed"]


def _notes(rows):
    """How many queries withstand every attack on R@1, and what the rows are."""
    return "\n".join([*_worst_cases(rows), *_legend(rows)])


def _worst_cases(rows):
    values, over = {}, ()
    for (mode, strength), row in rows.items():
        if (WORST_CASE, "R@1") in row:
            found = row[WORST_CASE, "R@1"]
            over = found.attack_settings["over"]
            values.setdefault(mode, []).append(f"{strength} {100 * found.value:.1f} %")
    for mode, shares in values.items():
        yield f"R@1 under {', '.join(over)} alike ({mode}): {', '.join(shares)}"


def _legend(rows):
    said = {}
    for (_, strength), row in rows.items():
        said.setdefault(strength, next(iter(row.values())))
    for strength, result in said.items():
        yield f"{strength}: {_HOW[strength](result)}"
    if ("ES", "distance") in rows.get(("compat", "strong"), ()):
        yield "compat: ES:D of the protocol is one step early, as the authors'; of APGD it is final"


def _protocol(result):
    settings, eps = result.attack_settings, format_magnitude(result.threat_model["eps"])
    size = format_magnitude(settings["step_size"])
    steps = f"{settings['steps']} steps of {size} from the image itself"
    gallery = f" in {settings['gallery']:,} images" if "gallery" in settings else ""
    return f"{result.n:,} queries{gallery}, eps {eps}, {steps}"


def _strong(result):
    settings = result.attack_settings
    starts = (
        "1 random start" if settings["restarts"] == 1 else f"{settings['restarts']} random starts"
    )
    runs = f"{starts} of {settings['steps']} adaptive steps"
    return f"per query the highest objective of the protocol and {runs}"


_HOW = {
    "protocol": _protocol,
    "strong": _strong,
    "worst": lambda result: "of the same images, per query and column the worst for the defender",
    "transfer": lambda result: f"made on {result.attack_settings['substitute']}, tried here",
}
