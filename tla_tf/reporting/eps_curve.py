"""Accuracy against the radius of the ball, of what was measured at several radii."""

from robust_tf.reports.line_figure import Line, Panel, line_figure

FEWEST = 3  # radii of a curve, the clean images at 0 among them


def eps_figure(runs):
    """Returns (figure, alternative text, caption); None where no attack has enough radii.

    Args:
        runs: list of anything with `name` and `recorded`, a `RecordedRun`.
    """
    panels = {}
    for run in runs:
        for (attack, norm, n), values in _curves(run.recorded.results).items():
            if len(values) >= FEWEST:
                radii = sorted(values)
                line = Line(run.name, radii, [values[eps] for eps in radii])
                panels.setdefault(f"accuracy in % under {attack}, {norm}, n {n:,}", []).append(line)
    if not panels:
        return None
    figure = line_figure(
        "accuracy over ε", [Panel("ε", title, lines) for title, lines in panels.items()]
    )
    said = [
        f"{title}: {line.label} "
        + ", ".join(f"{y:.1f} at {x:.3g}" for x, y in zip(line.x, line.y, strict=True))
        for title, lines in panels.items()
        for line in lines
    ]
    return figure, "; ".join(said), "Accuracy against ε; clean images at 0."


def _curves(results):
    """(attack, norm, n) -> dict eps -> accuracy in percent, with the clean images at 0."""
    shown = [r for r in results if r.metric == "accuracy" and not r.after]
    clean = {r.n: 100 * r.value for r in shown if not r.threat_model}
    curves = {}
    for result in shown:
        threat = result.threat_model
        if threat and "over" not in result.attack_settings:
            place = result.attack, threat["norm"], result.n
            start = {0.0: clean[result.n]} if result.n in clean else {}
            curves.setdefault(place, start)[threat["eps"]] = 100 * result.value
    return curves
