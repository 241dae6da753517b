"""Figure 4 of HM: how a gradual destination balances the objectives over the training."""

from hm_tf.triplets import destinations
from robust_tf.reports.line_figure import Panel, line_figure
from robust_tf.reports.sections import logged_line

# Text of the legend -> name of the metric, all of them differences of distances.
QUANTITIES = {
    "triplet loss": "triplet",
    "destination hardness": "destination",
    "hardness reached": "hardness",
}
MOST = 4  # runs


def balance_figure(runs):
    """Returns (figure, alternative text, caption); None where no run has a gradual destination.

    Args:
        runs: list of `ReportedRun`; the first `MOST` with a gradual destination are shown.
    """
    panels = [panel for run in runs if _gradual(run) and (panel := _panel(run))][:MOST]
    if not panels:
        return None
    figure = line_figure("HM, figure 4: balance of the objectives", panels)
    ends = "; ".join(
        f"{panel.ylabel}: "
        + ", ".join(f"{line.label} {line.y[0]:.3f} to {line.y[-1]:.3f}" for line in panel.lines)
        for panel in panels
    )
    caption = (
        "A gradual destination rises as the loss falls: weak adversaries early, for the benign "
        "images, and strong ones late, for robustness. Means between log lines."
    )
    return figure, f"Loss and hardness against the number of updates; {ends}", caption


def _gradual(run):
    name = run.recorded.flags.get("destination") or ""
    manipulated = run.recorded.flags.get("defense") == "hm"
    return manipulated and (name in destinations.GRADUAL or name.startswith("gb:"))


def _panel(run):
    records = run.recorded.metrics()
    lines = [logged_line(label, records, [name]) for label, name in QUANTITIES.items()]
    lines = [line for line in lines if line]
    return Panel("update", f"distance, {run.name}", lines) if lines else None
