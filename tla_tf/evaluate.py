"""python -m tla_tf.evaluate --workdir=RUN: accuracy of a trained classifier under attack.

Every number comes with n, its attack's steps, step size and restarts, and a 95% interval. The last
line, the worst case, counts the images that are correct under all attacks. The records are appended
to RUN/results.jsonl. RUN/evaluation keeps what each image did: the same command goes on where a
crash stopped it. --saved_model=DIR evaluates a SavedModel instead, --model=FILE a .keras file;
the records go to DIR.evaluation. Images of --dataset=folder are resized to the side that it takes.
--images=X.npz evaluates it on the user's own arrays.
"""

import sys

from robust_tf.cli import command_line
from robust_tf.cli.flag_rules import place_of
from robust_tf.results.output_place import require_folder
from tla_tf.options import EVALUATE

# The flags that are arguments of `RunEvaluation`.
SETTINGS = ("seed", "precision", "batch_size", "fresh", "save_adversarial")


@command_line.command(EVALUATE, __doc__)
@command_line.on_devices
def main(options):
    """Evaluates as the flags say."""
    from robust_tf.runs import lock
    from robust_tf.training.strategy import use_xla
    from tla_tf.evaluation.evaluation_checks import check_evaluation
    from tla_tf.evaluation.run_evaluation import RunEvaluation
    from tla_tf.evaluation.substitute import load_substitutes, substitute_runs
    from tla_tf.reporting.evaluation_report import report
    from tla_tf.runs.finished_run import ball

    place = place_of(options)
    run = _run(options)
    require_folder(place, run.folder.path)
    # Two evaluations share their outcomes, but not the files of the images.
    with lock.held(run.folder.path, shared=not options.save_adversarial):
        threat_model = ball(run.flags, options.eps, options.norm)
        runs = substitute_runs(options.substitute, run)
        columns = _columns(run, threat_model, list(runs), options)
        run.dataset.announce()
        test = run.test_images(options.limit_test)
        print(run.dataset.describe(f"test {len(test):,} images"))
        substitutes = load_substitutes(runs, options.precision)
        settings = {name: options.values[name] for name in SETTINGS}
        # A served graph names its classes, and XLA knows no strings.
        settings["jit_compile"] = use_xla(options.jit_compile) and not options.saved_model
        evaluation = RunEvaluation(run, test, substitutes=substitutes, **settings)
        evaluation.run(columns)
        if any(result.threat_model for result in evaluation.results):
            evaluation.add(evaluation.worst_case(threat_model))
        clean = evaluation.clean_result()
        print(f"\n{options.fill(report, evaluation=evaluation, clean=clean)}")
        print(f"\nrecords: {run.folder.results}")
        if options.workdir is None and (hint := run.hint(clean)):
            print(hint)
        if options.checks != "none":
            print(check_evaluation(evaluation, columns, threat_model, substitutes, options.checks))


def _run(options):
    """The `FinishedRun` of the folder, or the `SavedRun` of the model, that is evaluated."""
    from robust_tf.evaluation.keras_file import open_signature
    from tla_tf.runs.finished_run import FinishedRun
    from tla_tf.runs.saved_run import SavedRun

    if options.workdir is not None:
        return FinishedRun(options.workdir, options.data_dir)
    signature = options.fill(open_signature)
    return options.fill(SavedRun, signature=signature, eps=options.flags["eps"])


def _columns(run, threat_model, substitutes, options):
    """The columns that the network allows; prints the names of the others."""
    from tla_tf.evaluation.attack_columns import attack_columns, without_gradients

    given = {"names": options.attacks, "threat_model": threat_model, "dataset": run.info.name}
    columns = options.fill(attack_columns, substitutes=substitutes, **given)
    if getattr(run, "differentiable", True):
        return columns
    kept, left_out = without_gradients(columns)
    print(
        "the SavedModel gives no gradients: only square and transfer can be run; left out: "
        f"{', '.join(left_out) or 'nothing'}"
    )
    return kept


if __name__ == "__main__":
    sys.exit(main())
