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
import json
import pathlib
import sys

from robust_tf.cli import command_line
from robust_tf.errors import UserError, with_closest
from robust_tf.results.output_place import require_folder
from tla_tf.options import ANALYZE, OUTPUTS, TRAIN

# Natural training images that an output needs, in all and of every class.
NEEDED = {"table3": {"neighbours": 50}, "figure4": {"neighbours": 3}, "figure5": {"per_class": 2}}


@command_line.command(ANALYZE, __doc__)
@command_line.on_devices
def main(options):
    """Makes what the flags say, and what cannot be made of these images leaves out."""
    options.fill(_check_names)
    from robust_tf.runs import lock
    from tla_tf.reporting.comparable_runs import comparable_runs

    finished = comparable_runs(options.workdir, options.data_dir)
    figures = pathlib.Path(options.output_dir or pathlib.Path(options.workdir[0]) / "figures")
    for run in finished:
        require_folder("workdir", run.folder.path)
    require_folder("output_dir", figures)
    # Other commands may write into the folders of the runs, too.
    shared = {run.folder.path.resolve(): True for run in finished} | {figures.resolve(): False}
    with contextlib.ExitStack() as locks:
        for place, others_too in shared.items():
            locks.enter_context(lock.held(place, shared=others_too))
        _make_all(finished, figures, options)


def _make_all(finished, figures, options):
    from tla_tf.analysis.analyzed_run import CannotBeShown

    outputs, preset = list(dict.fromkeys(options.outputs)), options.fill(_preset, runs=finished)
    dataset = finished[0].dataset
    test, train = dataset.load("test", options.limit_test), None
    if NEEDED.keys() & set(outputs):
        train = dataset.load("train", options.limit_train)
    left_out = _lacking(finished[0].info, train, outputs)
    possible = [output for output in outputs if output not in left_out]
    settings = {"batch_size": options.batch_size, "seed": options.seed}
    runs = _analyzed(finished, test, train, preset, **settings) if possible else []
    for output in possible:
        try:
            made = options.fill(_functions)[output](runs)
        except (UserError, CannotBeShown) as reason:
            left_out[output] = reason
            for run in runs:
                run.results.clear()
        else:
            _keep(output, runs, made, figures / f"{output}.{options.format}")
    _report(left_out, len(outputs), runs)


def _keep(output, runs, made, path):
    """Keeps the numbers of an output, and then its figure with what it plots, as JSON."""
    from robust_tf.reports.methods import names_by_weights
    from robust_tf.reports.panels import save_figure
    from robust_tf.reports.recorded_run import recorded_run
    from robust_tf.reports.result_tables import MEASUREMENT_COLUMNS, seeds_of
    from robust_tf.reports.table import text_table
    from robust_tf.results import atomic
    from tla_tf.reporting.accuracies import methods

    kept = [result for run in runs for result in run.keep()]
    recorded = [recorded_run(run.records.parent) for run in runs]
    names = names_by_weights(methods([run for run in recorded if run.results], TRAIN))
    print(f"\n{output}\n{text_table(MEASUREMENT_COLUMNS, seeds_of(kept, names))}", flush=True)
    if made:
        figure, plotted = made
        save_figure(figure, path)
        atomic.write(path.with_suffix(".json"), json.dumps(plotted) + "\n")
        print(f"figure: {path}")


def _report(left_out, asked, runs):
    """Says what was left out; where that is all, it is an error."""
    reasons = [f"{output}: {reason}" for output, reason in left_out.items()]
    if len(left_out) == asked:
        raise type(next(iter(left_out.values())))("; ".join(reasons))
    print("".join(f"\nleft out: {reason}" for reason in reasons))
    print(f"records: {', '.join(str(run.records) for run in runs)}")


def _check_names(workdir, outputs):
    if not workdir:
        raise UserError("--workdir=RUN[,RUN2,...] is required: folders of finished runs")
    unknown = [with_closest(name, OUTPUTS) for name in outputs if name not in OUTPUTS]
    if unknown or not outputs:
        raise UserError(
            f"--outputs: {'unknown ' + ', '.join(unknown) if unknown else 'nothing was named'}; "
            f"allowed: {', '.join(OUTPUTS)}"
        )


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


def _preset(runs, attack, eps, norm):
    from robust_tf.attacks import presets
    from tla_tf.runs.finished_run import ball

    balls = dict.fromkeys(ball(run.flags, eps, norm) for run in runs)
    if len(balls) > 1:
        found = ", ".join(map(str, balls))
        raise UserError(f"the runs have different balls ({found}); give the attack's --eps, --norm")
    try:
        return presets.get(attack, *balls)
    except ValueError as error:
        raise UserError(f"--attack: {error}") from error


def _analyzed(runs, *images, **settings):
    from tla_tf.analysis.analyzed_run import AnalyzedRun
    from tla_tf.reporting.comparable_runs import panel_names

    names = panel_names([run.flags for run in runs], [run.folder.path for run in runs])
    return [
        AnalyzedRun(run, name, *images, **settings) for run, name in zip(runs, names, strict=True)
    ]


def _functions(all_adv, covariance, positive):
    from tla_tf.analysis.accuracy_over import accuracy_over_eps, accuracy_over_steps
    from tla_tf.analysis.analysis_tables import table2, table3
    from tla_tf.analysis.detection_figure import figure5
    from tla_tf.analysis.embedding_figures import figure1, figure2
    from tla_tf.analysis.retrieval_figure import figure4

    return {
        "table2": lambda runs: table2(runs, all_adv),
        "table3": table3,
        "figure1": figure1,
        "figure2": figure2,
        "figure4": figure4,
        "accuracy_over_eps": accuracy_over_eps,
        "accuracy_over_steps": accuracy_over_steps,
        "figure5": lambda runs: figure5(runs, covariance, positive),
    }


if __name__ == "__main__":
    sys.exit(main())
