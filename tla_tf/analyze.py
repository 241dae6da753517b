"""python -m tla_tf.analyze --workdir=RUN[,RUN2,...]: the analyses of the TLA paper.

table2: separation ratio of attacked images from the class they are taken for. table3: accuracy of
50 nearest neighbours. figure1, figure2: t-SNE of natural and attacked images. figure4: nearest
training images of an image before and after the attack. figure5: detection of misclassified images,
also under an attack that knows the detector.
Several runs become panels side by side. Numbers are appended to every RUN/results.jsonl; figures,
with what they plot as JSON, go to --output_dir.
"""

import sys

from robust_tf import command_line
from robust_tf.errors import UserError
from tla_tf import flags
from tla_tf.names import OUTPUTS

# Natural training images that an output needs, in all and of every class.
NEEDED = {"table3": {"neighbours": 50}, "figure4": {"neighbours": 3}, "figure5": {"per_class": 2}}


def main(argv=None):
    """Runs the command; returns its exit code."""
    return command_line.run(argv, define=flags.define_analyze, body=analyze, about=__doc__)


def analyze(options):
    """Makes what the flags say."""
    _check_names(options)
    from robust_tf.reports.measurement_table import measurement_table

    runs = _runs(options)
    for output in dict.fromkeys(options.outputs):
        done = [len(run.results) for run in runs]
        made = _functions(options)[output](runs)
        fresh = [r for run, n in zip(runs, done, strict=True) for r in run.results[n:]]
        print(f"\n{output}\n{measurement_table(fresh)}")
        if made is not None:
            print(f"figure: {_save(output, *made, options)}")
    print(f"\nrecords: {', '.join(str(run.records) for run in runs)}")


def _check_names(options):
    if not options.workdir:
        raise UserError("--workdir=RUN[,RUN2,...] is required: folders of finished runs")
    unknown = [repr(name) for name in options.outputs if name not in OUTPUTS]
    if unknown or not options.outputs:
        raise UserError(
            f"--outputs: {'unknown ' + ', '.join(unknown) if unknown else 'nothing was named'}; "
            f"allowed: {', '.join(OUTPUTS)}"
        )


def _runs(options):
    from robust_tf.data import registry as data
    from tla_tf import config
    from tla_tf.analysis.analyzed_run import AnalyzedRun
    from tla_tf.comparable_runs import (
        check_training_images,
        common_eps,
        comparable_runs,
        panel_names,
    )

    runs = comparable_runs(options.workdir, options.data_dir)
    info, reading = runs[0].info, runs[0].reading
    eps = common_eps(runs) if options.eps is None else options.eps
    preset = _preset(options.attack, config.threat_model(eps, options.norm))
    test, train = data.load(info.name, "test", limit=options.limit_test, **reading), None
    needs = [NEEDED[output] for output in options.outputs if output in NEEDED]
    if needs:
        train = data.load(info.name, "train", limit=options.limit_train, **reading)
        for need in needs:
            check_training_images(train, info.class_names, **need)
    settings = {"batch_size": options.batch_size, "seed": options.seed}
    return [
        AnalyzedRun(run, name, test, train, preset, **settings)
        for run, name in zip(runs, panel_names(runs), strict=True)
    ]


def _preset(name, threat_model):
    from robust_tf.attacks import presets

    try:
        return presets.get(name, threat_model)
    except ValueError as error:
        raise UserError(f"--attack: {error}") from error


def _functions(options):
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
        "figure5": lambda runs: figure5(runs, options.covariance, options.positive),
    }


def _save(output, figure, plotted, options):
    """Writes the figure and, beside it, what it plots; returns the figure's path."""
    import json
    import pathlib

    from robust_tf.reports.panels import save_figure

    folder = pathlib.Path(options.output_dir or pathlib.Path(options.workdir[0]) / "figures")
    path = folder / f"{output}.{options.format}"
    save_figure(figure, path)
    path.with_suffix(".json").write_text(json.dumps(plotted) + "\n")
    return path


if __name__ == "__main__":
    sys.exit(main())
