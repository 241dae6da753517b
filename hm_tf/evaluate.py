"""python -m hm_tf.evaluate --workdir=RUN: retrieval of a trained network, clean and attacked.

One table has R@1, R@2, mAP, MAP@R, MAP@10 and NMI of the clean test images, the ten attack columns
of the HM paper and their score ERS. The gallery is the whole test set, clean. Each image is
attacked as a query (CA+, CA-: as a candidate).

--mode=compat does what the authors' code does. Only its numbers compare with printed tables.
--mode=fixed does what the code means: GTM of compat aims at a wrong item for many queries, which
flatters the network. The default, both, shows the two side by side. --strength=strong adds random
restarts with adaptive steps and shows how far the score falls. --attacks=standard is the
parameter-free ensemble of docs/retrieval_standard.md, with the worst case per query.

The records are appended to RUN/results.jsonl. RUN/evaluation keeps the outcome of each query, so
the same command goes on where a crash stopped it. --saved_model=DIR evaluates a SavedModel instead,
--model=FILE a .keras file. Their records go to DIR.evaluation. --images=X.npz evaluates them on the
user's own arrays.
"""

import sys

from hm_tf.options import EVALUATE, check_step_size
from robust_tf.cli import command_line
from robust_tf.cli.flag_rules import place_of
from robust_tf.errors import UserError
from robust_tf.results.output_place import require_folder


@command_line.command(EVALUATE, __doc__)
@command_line.on_devices
def main(options):
    """Evaluates as the flags say."""
    from hm_tf.evaluation.embedding_checks import check_evaluation
    from hm_tf.evaluation.ranking_table import ranking_table
    from hm_tf.evaluation.run_evaluation import open_evaluation, rows
    from hm_tf.ranking_attacks.registry import attack_names
    from hm_tf.runs.saved_run import open_run
    from robust_tf.results.result import append_results, doubted
    from robust_tf.runs import lock
    from robust_tf.training.strategy import use_xla

    names = attack_names(options.attacks, "--attacks")
    place = place_of(options)
    if place != "workdir" and not (options.dataset or options.images):
        model = options.values[place]
        raise UserError(f"{model} needs --dataset or --images=X.npz, which no run folder gives")
    run = options.fill(open_run)
    require_folder(place, run.folder.path)
    with lock.held(run.folder.path, shared=True):
        pgd = options.fill(run.attack, steps=options.eval_steps, step_size=options.eval_step_size)
        check_step_size(options, "eval_step_size", pgd.steps, pgd.threat_model.norm)
        xla = use_xla(options.jit_compile)
        evaluation, other = options.fill(open_evaluation, run=run, pgd=pgd, xla=xla)
        results = []
        for measure in options.fill(rows, evaluation=evaluation, names=names, other=other):
            # A finished row is on the disk before the next one begins.
            found = doubted(measure(), evaluation.doubts)
            append_results(run.folder.results, found)
            results += found
        if evaluation.stored:
            print(f"attacks stored before: {len(evaluation.stored)}; --fresh attacks again")
        print(f"\n{ranking_table(results)}\n\nrecords: {run.folder.results}")
        if options.checks != "none":
            lines = check_evaluation(evaluation, results, options.checks)
            print(f"\n{lines}\nrecords: {run.folder.path / 'checks.jsonl'}")


if __name__ == "__main__":
    sys.exit(main())
