"""Which sign of masked gradients predicts what PGD misses, over networks with stored results.

    python tools/masking_study.py RUN [RUN ...]

Each RUN has a PGD and the ensemble `standard` on the same images in its results. The table has the
gap PGD minus `standard` and every sign of `SIGNS` on 256 test images.
"""

import argparse
import sys

import tensorflow as tf
from scipy.stats import spearmanr

from robust_tf import randomness
from robust_tf.attacks.objectives import CrossEntropy
from robust_tf.attacks.square import Square
from robust_tf.checks.masking_signs import signs_of_batch, step_sizes
from robust_tf.errors import UserError
from robust_tf.evaluation.attack_loop import attack_loop
from robust_tf.models.output_of import output_of
from robust_tf.reports.recorded_run import recorded_run
from robust_tf.reports.table import markdown
from robust_tf.threat_model import ThreatModel, l2_unit
from tla_tf.runs.finished_run import FinishedRun

LOOKED_AT = 256
QUERIES = 50


def turning_gradients(look):
    """1 minus the cosine of the input gradients at two random points of the ball."""
    first, second = (gradient(look, number) for number in (1, 2))
    return 1.0 - tf.reduce_sum(first * second, axis=1)


def zero_gradients(look):
    """1 where the input gradient at a random point of the ball is 0 or not finite."""
    return 1.0 - tf.round(tf.norm(gradient(look, 1), axis=1))


def few_queries(look):
    """1 where 50 queries without gradients succeed and PGD of eps / 4 fails."""
    square = look.still_correct(Square(look.ball, queries=QUERIES))
    return tf.cast(look.after_usual_pgd & ~square, tf.float32)


def gradient(look, number):
    """Unit input gradients at random point `number` of the ball, float [b, pixels], or 0."""
    keys = randomness.fold_in(look.keys, number)
    point = look.ball.random_start(look.images, keys)
    *_, slope = CrossEntropy(look.logits_fn, look.labels).differentiate(point)
    rows = tf.reshape(slope, [randomness.shape_of(point)[0], -1])
    return l2_unit(tf.where(tf.math.is_finite(rows), rows, 0))


SIGNS = {
    "step_sizes": step_sizes,
    "turning_gradients": turning_gradients,
    "zero_gradients": zero_gradients,
    "few_queries": few_queries,
}


def main(arguments):
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="+", help="folders of evaluated runs")
    folders = parser.parse_args(arguments).runs
    try:
        rows = [(folder, *gap_of(folder), signs_of(folder)) for folder in folders]
    except UserError as error:
        parser.error(str(error))
    cells = [
        (name, f"{n:,}", f"{100 * pgd:.1f}", f"{100 * left:.1f}", f"{100 * (pgd - left):.1f}")
        + tuple(f"{signs[sign]:.3f}" for sign in SIGNS)
        for name, n, pgd, left, signs in rows
    ]
    print(markdown(("run", "n", "PGD", "standard", "gap", *SIGNS), cells))
    gaps = [pgd - left for _, _, pgd, left, _ in rows]
    for sign in SIGNS:
        found = spearmanr([signs[sign] for *_, signs in rows], gaps)
        print(f"{sign}: Spearman {found.statistic:.2f} over {len(rows)} networks")


def gap_of(folder):
    """Returns (n, accuracy under PGD, accuracy under the ensemble) of the most images in common.

    Both are of the run's weights, in the ball of its training, as the signs are.
    """
    run = FinishedRun(folder)
    ball = _ball(run)
    measured = [result for result in recorded_run(folder).measured if result.threat_model]
    found = [result for result in measured if ThreatModel(**result.threat_model) == ball]
    pgd = {r.n: r.value for r in found if _is_pgd(r)}
    standard = {r.n: r.value for r in found if r.attack == "standard"}
    if not (both := pgd.keys() & standard.keys()):
        raise UserError(f"{folder}: needs --attacks=pgd40,standard on the same images")
    n = max(both)
    return n, pgd[n], standard[n]


def _ball(run):
    return ThreatModel(run.flags["eps"], run.flags["norm"])


def _is_pgd(result):
    """Analyses attack with PGD, too, and record other metrics."""
    return result.attack.startswith("pgd") and result.metric == "accuracy" and not result.after


def signs_of(folder):
    """Returns dict, name of a sign -> its mean over test images."""
    run = FinishedRun(folder)
    examples = run.dataset.load("test", LOOKED_AT)
    look = signs_of_batch(output_of(run.network(), "logits"), examples.labels, _ball(run), SIGNS)
    (seen,) = attack_loop(look, examples, title="signs", progress=False)
    return {name: float(seen[name].mean()) for name in SIGNS}


if __name__ == "__main__":
    main(sys.argv[1:])
