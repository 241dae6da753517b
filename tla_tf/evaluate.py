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
    from tla_tf.evaluation.run_evaluation import RunEvaluation
    from tla_tf.evaluation.substitute import load_substitutes, substitute_runs
    from tla_tf.runs.finished_run import ball

    place = place_of(options)
    run = _run(options)
    require_folder(place, run.folder.path)
    # Two evaluations share their outcomes, but not the files of the images.
    with lock.held(run.folder.path, shared=not options.save_adversarial):
        threat_model = ball(run.flags, options.eps, options.norm)
        runs = substitute_runs(options.substitute, run)
        forms = {"mim_form": options.mim_form, "round_pixels": options.round_pixels}
        columns = _columns(run, threat_model, list(runs), options.attacks, **forms)
        test = _test_images(run, options.limit_test)
        substitutes = load_substitutes(runs, options.precision)
        settings = {name: options.values[name] for name in SETTINGS}
        # A served graph names its classes, and XLA knows no strings.
        settings["jit_compile"] = use_xla(options.jit_compile) and options.workdir is not None
        evaluation = RunEvaluation(run, test, substitutes=substitutes, **settings)
        evaluation.run(columns)
        evaluation.add(evaluation.worst_case(threat_model))
        clean = evaluation.clean_result()
        report = options.fill(_report, evaluation=evaluation, clean=clean)
        print(f"\n{report}\n\nrecords: {run.folder.results}")
        if options.workdir is None and (hint := run.hint(clean)):
            print(hint)
        if options.checks != "none":
            print(_checked(evaluation, columns, threat_model, substitutes, options.checks))


def _run(options):
    """The `FinishedRun` of the folder, or the `SavedRun` of the model, that is evaluated."""
    from robust_tf.evaluation.keras_file import open_signature
    from tla_tf.runs.finished_run import FinishedRun
    from tla_tf.runs.saved_run import SavedRun

    if options.workdir is not None:
        return FinishedRun(options.workdir, options.data_dir)
    signature = options.fill(open_signature)
    return options.fill(SavedRun, signature=signature, eps=options.flags["eps"])


def _test_images(run, limit):
    """The `Examples`; says where they are, and how many there are."""
    run.dataset.announce()
    test = run.test_images(limit)
    print(run.dataset.describe(f"test {len(test):,} images"))
    return test


def _columns(run, threat_model, substitutes, attacks, **forms):
    """The columns that the network allows; prints the names of the others."""
    from tla_tf.evaluation.attack_columns import attack_columns
    from tla_tf.runs.saved_run import without_gradients

    columns = attack_columns(attacks, threat_model, run.info.name, substitutes, **forms)
    if getattr(run, "differentiable", True):
        return columns
    kept, left_out = without_gradients(columns)
    print(
        "the SavedModel gives no gradients: only square and transfer can be run; left out: "
        f"{', '.join(left_out) or 'nothing'}"
    )
    return kept


def _report(evaluation, clean, attacks, substitute):
    from robust_tf.reports.result_tables import accuracy_table
    from tla_tf.evaluation.run_evaluation import lower_worst_case
    from tla_tf.reporting.cleverhans_comparison import cleverhans_comparison

    results = evaluation.results
    shown = results if any(r.attack == clean.attack for r in results) else [clean, *results]
    parts = [accuracy_table(shown), lower_worst_case(results[-1], evaluation.folder)]
    if "table1" in attacks and not substitute:
        parts.append("left out: the black-box column of table 1; it needs --substitute=RUN")
    if "cleverhans" in attacks:
        parts.append(cleverhans_comparison(results))
    return "\n\n".join(filter(None, parts))


def _checked(evaluation, columns, threat_model, substitutes, thoroughness):
    """The checks of the claim as lines."""
    from tla_tf.evaluation.evaluation_checks import check_attacks, claimed_attack

    if not getattr(evaluation.network, "differentiable", True):
        return "checks: left out, they need gradients"
    undefended = [other.logits_fn for other in substitutes.values() if not other.defended]
    lines = check_attacks(
        evaluation,
        claimed_attack(columns, threat_model),
        thoroughness,
        undefended=next(iter(undefended), None),
    )
    return f"\n{lines}\nrecords: {evaluation.folder / 'checks.jsonl'}"


if __name__ == "__main__":
    sys.exit(main())
