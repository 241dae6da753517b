"""python -m hm_tf.analyze --workdir=RUN: how hard the triplets of the five samplers are (table 1).

--dataset=cub200 --init_weights=FILE instead of a run: of the first weights of a training, as the
paper has it. Their records need --records=FILE.

Mean and variance of the hardness H = d(a, p) - d(a, n) on batches of training images, in the
embeddings of the run's network. Records go to RUN/sampler_hardness.jsonl; hm_tf.report shows them.
"""

import pathlib
import sys

from hm_tf.options import ANALYZE, TRAIN
from robust_tf.cli import command_line
from robust_tf.errors import UserError
from robust_tf.results.output_place import require_file, require_folder


@command_line.command(ANALYZE, __doc__)
@command_line.on_devices
def main(options):
    """Measures, records and prints."""
    if options.outputs != ["table1"]:
        raise UserError(f"--outputs={','.join(options.outputs)}: there is table1 only")
    if (options.workdir is None) == (options.dataset is None):
        raise UserError(
            "give --workdir=RUN, the folder of a finished run, or --dataset for the first weights "
            "of a training"
        )
    if options.records:
        require_file("records", options.records)
    from hm_tf.evaluation.metric_evaluation import embedding_of_batch
    from hm_tf.evaluation.sampler_hardness import hardness_results, sampler_hardness
    from hm_tf.reporting import hardness_records
    from hm_tf.triplets.pairs import pair_dataset
    from robust_tf.reports.table import text_table
    from robust_tf.results.result import append_results

    run = _run(options)
    network = run.network()
    batches = pair_dataset(
        run.training_images(),
        run.info,
        batch_size=run.flags["shard_size"],
        seed=options.seed,
        stop_step=options.batches,
    )
    found = sampler_hardness(
        batches,
        embedding_of_batch(network),
        margin=run.flags["margin"],
        mode=run.flags["sampling"],
        seed=options.seed,
    )
    results = hardness_results(
        found, network, batches=options.batches, seed=options.seed, **run.facts
    )
    print(f"{text_table(hardness_records.COLUMNS, hardness_records.measured(results))}\n")
    if options.workdir:
        print(hardness_records.OF_THE_PAPER)
    if path := options.records or (options.workdir and run.folder.path / hardness_records.RECORDS):
        pathlib.Path(path).parent.mkdir(parents=True, exist_ok=True)
        append_results(path, results)
        print(f"records: {path}")


def _run(options):
    """The finished run, or what a training would start from."""
    if options.workdir:
        from hm_tf.runs.finished_run import FinishedRun

        run = FinishedRun(options.workdir, options.data_dir)
        require_folder("workdir", run.folder.path)
        return run
    from hm_tf.pretrained.starting_network import StartingNetwork

    named = ("dataset", "model", "init_weights", "seed", "data_dir")
    given = [f"--{name}={options.flags[name]}" for name in named if options.flags[name] is not None]
    return StartingNetwork(TRAIN.parse(given).flags)


if __name__ == "__main__":
    sys.exit(main())
