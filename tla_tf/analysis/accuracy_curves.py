"""Accuracy against the radius of the ball and against the steps of the attack, from records."""

from robust_tf.reports.line_figure import Line, Panel, line_figure
from robust_tf.threat_model import format_magnitude

OVER_EPS, OVER_STEPS = "accuracy over eps", "accuracy over steps"
FEWEST = 3  # points of a curve


def curve_figures(named):
    """Yields (figure, caption) of the curves that were measured.

    Args:
        named: list of (name of a method, list of `Result` of one of its seeds).
    """
    eps, steps = {}, {}
    for name, results in named:
        _add(eps, name, _over_eps(results))
        _add(steps, name, _over_steps(results))
    if eps:
        doubt = _doubt(named, OVER_EPS) or _doubt(named, "accuracy")
        yield _figure("ε", eps), f"Accuracy over ε; ε = 0 is the clean accuracy.{doubt}"
    if steps:
        doubt = _doubt(named, OVER_STEPS)
        caption = f"Accuracy over the steps of one attack; 0 is its start.{doubt}"
        yield _figure("attack step", steps), caption


def _doubt(named, metric):
    """How far the intervals of the metric reach, in a sentence; "" where nothing has one."""
    measured = [r for _, results in named for r in results if r.metric == metric and r.interval]
    reach = [abs(bound - r.value) for r in measured for bound in r.interval]
    return f" 95 % intervals: at most ± {100 * max(reach):.1f} points." if reach else ""


def _add(panels, name, curves):
    for title, points in curves.items():
        if len(points) >= FEWEST:
            x = sorted(points)
            panels.setdefault(title, []).append(Line(name, x, [points[place] for place in x]))


def _figure(xlabel, panels):
    shown = [Panel(xlabel, title, of) for title, of in panels.items()]
    figure = line_figure(f"accuracy over {xlabel}", shown)
    for axis in figure.axes:
        # With 0 in sight, the fall of a single image is no cliff.
        axis.update_datalim([(0, 0)])
        axis.autoscale_view()
    return figure


def _over_eps(results):
    """Title of a panel -> dict eps -> accuracy in percent; also of what `evaluate` has measured."""
    shown = [r for r in results if r.metric in ("accuracy", OVER_EPS) and not r.after]
    clean = {r.n: 100 * r.value for r in shown if not r.threat_model}
    curves = {}
    for result in shown:
        threat, n = result.threat_model, result.n
        if threat and "over" not in result.attack_settings:
            title = f"accuracy in % under {result.attack}, {threat['norm']}, n {n:,}"
            points = curves.setdefault(title, {0.0: clean[n]} if n in clean else {})
            points[threat["eps"]] = 100 * result.value
    return curves


def _over_steps(results):
    """Title of a panel -> dict step -> accuracy in percent."""
    curves = {}
    for result in (result for result in results if result.metric == OVER_STEPS):
        threat = result.threat_model
        ball = f"{threat['norm']} eps {format_magnitude(threat['eps'])}"
        title = f"accuracy in % in the course of {result.attack}, {ball}, n {result.n:,}"
        curves.setdefault(title, {})[result.attack_settings["step"]] = 100 * result.value
    return curves
