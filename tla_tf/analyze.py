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
from robust_tf.errors import UserError
from robust_tf.results.output_place import require_folder
from tla_tf.options import ANALYZE, TRAIN


@command_line.command(ANALYZE, __doc__)
@command_line.on_devices
def main(options):
    """Makes what the flags say, and what cannot be made of these images leaves out."""
    if not options.workdir:
        raise UserError("--workdir=RUN[,RUN2,...] is required: folders of finished runs")
    from robust_tf.runs import lock
    from tla_tf.analysis.outputs import outputs_of
    from tla_tf.reporting.comparable_runs import comparable_runs

    outputs = outputs_of(options.outputs)
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
        _make_all(outputs, finished, figures, options)


def _make_all(outputs, finished, figures, options):
    from tla_tf.analysis.analyzed_run import AnalyzedRun, CannotBeShown, common_preset
    from tla_tf.reporting.comparable_runs import panel_names

    preset = options.fill(common_preset, runs=finished)
    first, train = finished[0], None
    test = first.test_images(options.limit_test)
    if any(output.of_train for output in outputs.values()):
        train = first.dataset.load("train", options.limit_train)
    lacking = {
        name: output.lacks(train, first.info.class_names) for name, output in outputs.items()
    }
    left_out = {name: reason for name, reason in lacking.items() if reason}
    settings = {"batch_size": options.batch_size, "seed": options.seed}
    names = panel_names([run.flags for run in finished], [run.folder.path for run in finished])
    runs = [
        AnalyzedRun(run, name, test, train, preset, **settings)
        for run, name in zip(finished, names, strict=True)
        if len(left_out) < len(outputs)
    ]
    for run in runs:
        for doubt in run.doubts:
            print(f"warning: {run.name}: {doubt.message}")
    for name, output in outputs.items():
        if name in left_out:
            continue
        try:
            made = options.fill(output.make, runs=runs)
        except (UserError, CannotBeShown) as reason:
            left_out[name] = reason
            for run in runs:
                run.results.clear()
        else:
            _keep(name, runs, made, figures / f"{name}.{options.format}")
    _report(left_out, len(outputs), runs)


def _keep(output, runs, made, path):
    """Keeps the numbers of an output, and then its figure with what it plots, as JSON."""
    from robust_tf.reports.methods import names_by_weights
    from robust_tf.reports.panels import save_figure
    from robust_tf.reports.recorded_run import recorded_run
    from robust_tf.reports.result_tables import measurement_table, seeds_of
    from robust_tf.results import atomic
    from tla_tf.reporting.accuracies import methods

    kept = [result for run in runs for result in run.keep()]
    recorded = [recorded_run(run.records.parent) for run in runs]
    names = names_by_weights(methods([run for run in recorded if run.results], TRAIN))
    print(f"\n{output}\n{measurement_table(seeds_of(kept, names))}", flush=True)
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


if __name__ == "__main__":
    sys.exit(main())
