"""python -m tla_tf.analyze --workdir=RUN[,RUN2,...]: the analyses of the TLA paper.

table2: separation ratio of attacked images from the class they are taken for. table3: accuracy of
50 nearest neighbours. figure1, figure2: t-SNE of natural and attacked images. figure4: nearest
training images of an image before and after the attack. figure5: detection of misclassified images,
also under an attack that knows the detector.
accuracy_over_eps: in nine balls from 0 to 4 eps. accuracy_over_steps: in the course of the attack.
Several runs become panels side by side. Numbers are appended to every RUN/results.jsonl; figures,
with what they plot as JSON, go to --output_dir.
"""

import contextlib
import functools
import pathlib
import sys

from robust_tf.cli import command_line
from robust_tf.errors import UserError
from robust_tf.results.output_place import require_folder
from tla_tf.options import ANALYZE, OUTPUTS

# Natural training images that an output needs, in all and of every class.
NEEDED = {"table3": {"neighbours": 50}, "figure4": {"neighbours": 3}, "figure5": {"per_class": 2}}


@command_line.on_devices
def analyze(options):
    """Makes what the flags say, and what cannot be made of these images leaves out."""
    _check_names(options)
    from robust_tf.runs import lock
    from tla_tf.reporting.comparable_runs import comparable_runs

    finished = comparable_runs(options.workdir, options.data_dir)
    _check_places(finished, options)
    with contextlib.ExitStack() as locks:
        for place, shared in _places(finished, options):
            locks.enter_context(lock.held(place, shared=shared))
        _make_all(finished, options)


def _make_all(finished, options):
    from tla_tf.analysis.cannot_be_shown import CannotBeShown

    outputs, preset = list(dict.fromkeys(options.outputs)), _preset(finished, options)
    test, train = _images(finished[0], options)
    left_out = _lacking(finished[0].info, train, outputs)
    possible = [output for output in outputs if output not in left_out]
    runs = _analyzed(finished, test, train, preset, options) if possible else []
    for output in possible:
        try:
            _make(output, runs, options)
        except (UserError, CannotBeShown) as reason:
            left_out[output] = reason
            for run in runs:
                run.results.clear()
    _report(left_out, len(outputs), runs)


def _make(output, runs, options):
    """Makes one output; its numbers are kept before its figure is written, which may fail."""
    from robust_tf.reports.result_tables import MEASUREMENT_COLUMNS, seeds_of
    from robust_tf.reports.table import text_table

    made = _functions(options)[output](runs)
    kept = [result for run in runs for result in run.keep()]
    print(f"\n{output}\n{text_table(MEASUREMENT_COLUMNS, seeds_of(kept))}", flush=True)
    if made:
        print(f"figure: {_save(output, *made, options)}")


def _report(left_out, asked, runs):
    """Says what was left out; where that is all, it is an error."""
    reasons = [f"{output}: {reason}" for output, reason in left_out.items()]
    if len(left_out) == asked:
        raise type(next(iter(left_out.values())))("; ".join(reasons))
    print("".join(f"\nleft out: {reason}" for reason in reasons))
    print(f"records: {', '.join(str(run.records) for run in runs)}")


def _check_names(options):
    if not options.workdir:
        raise UserError("--workdir=RUN[,RUN2,...] is required: folders of finished runs")
    unknown = [repr(name) for name in options.outputs if name not in OUTPUTS]
    if unknown or not options.outputs:
        raise UserError(
            f"--outputs: {'unknown ' + ', '.join(unknown) if unknown else 'nothing was named'}; "
            f"allowed: {', '.join(OUTPUTS)}"
        )


def _check_places(runs, options):
    for run in runs:
        require_folder("workdir", run.folder.path)
    require_folder("output_dir", _figures(options))


def _places(runs, options):
    """The folders that are written to, and whether other commands may do so, too."""
    shared = {run.folder.path.resolve(): True for run in runs}
    return (shared | {_figures(options).resolve(): False}).items()


def _images(run, options):
    """The test images, and the training images if an output needs them."""
    test = run.dataset.load("test", options.limit_test)
    if not NEEDED.keys() & set(options.outputs):
        return test, None
    return test, run.dataset.load("train", options.limit_train)


def _lacking(info, train, outputs):
    """The outputs that there are too few training images for, with the `UserError`."""
    from tla_tf.reporting.comparable_runs import check_training_images

    lacking = {}
    for output in outputs:
        if output in NEEDED:
            try:
                check_training_images(train, info.class_names, **NEEDED[output])
            except UserError as reason:
                lacking[output] = reason
    return lacking


def _preset(runs, options):
    from robust_tf.attacks import presets
    from robust_tf.threat_model import ThreatModel
    from tla_tf.reporting.comparable_runs import common_eps

    eps = common_eps(runs) if options.eps is None else options.eps
    threat_model = ThreatModel(eps, options.norm)
    try:
        return presets.get(options.attack, threat_model)
    except ValueError as error:
        raise UserError(f"--attack: {error}") from error


def _analyzed(runs, test, train, preset, options):
    from tla_tf.analysis.analyzed_run import AnalyzedRun
    from tla_tf.reporting.comparable_runs import panel_names

    settings = {"batch_size": options.batch_size, "seed": options.seed}
    return [
        AnalyzedRun(run, name, test, train, preset, **settings)
        for run, name in zip(runs, panel_names(runs), strict=True)
    ]


def _functions(options):
    from tla_tf.analysis.accuracy_over import accuracy_over_eps, accuracy_over_steps
    from tla_tf.analysis.analysis_tables import table2, table3
    from tla_tf.analysis.detection_figure import figure5
    from tla_tf.analysis.embedding_figures import figure1, figure2
    from tla_tf.analysis.retrieval_figure import figure4

    return {
        "table2": lambda runs: table2(runs, options.all_adv),
        "table3": table3,
        "figure1": figure1,
        "figure2": figure2,
        "figure4": figure4,
        "accuracy_over_eps": accuracy_over_eps,
        "accuracy_over_steps": accuracy_over_steps,
        "figure5": lambda runs: figure5(runs, options.covariance, options.positive),
    }


def _save(output, figure, plotted, options):
    """Writes the figure and, beside it, what it plots; returns the figure's path."""
    import json

    from robust_tf.reports.panels import save_figure
    from robust_tf.results import atomic

    path = _figures(options) / f"{output}.{options.format}"
    save_figure(figure, path)
    atomic.write(path.with_suffix(".json"), json.dumps(plotted) + "\n")
    return path


def _figures(options):
    return pathlib.Path(options.output_dir or pathlib.Path(options.workdir[0]) / "figures")


main = functools.partial(command_line.run, table=ANALYZE, body=analyze, about=__doc__)

if __name__ == "__main__":
    sys.exit(main())
