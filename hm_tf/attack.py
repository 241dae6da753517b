"""python -m hm_tf.attack --workdir=RUN --query=IMG --gallery=DIR --attack=qa+: your own images.

Moves a query within --eps so that the ranking of a gallery changes; ca+ and ca- move a gallery
image, --candidate. Shows the ranking before and after. The gallery is a folder of images, or one
with a subfolder per class; only ltm and gtm need the classes.

ca+ ca-: --candidate goes up or down in the ranking of the query, by changing the candidate. qa+
qa-: by changing the query. tma: the query's embedding goes to --candidate's. es: as far away
as it can. ltm gtm: the nearest image is of another class. gtt: the nearest image leaves the first
four.

In --output_dir: adversarial.png, difference.png (amplified), ranking.png, attack.json.
"""

import pathlib
import sys

from hm_tf.options import ATTACK, check_step_size
from robust_tf.cli import command_line
from robust_tf.cli.flag_rules import place_of, require
from robust_tf.errors import UserError
from robust_tf.magnitude import format_magnitude
from robust_tf.results.output_place import require_folder

REQUIRED = {
    "query": ": an image",
    "gallery": ": a folder of images",
    "attack": ": one of ca+, ca-, qa+, qa-, tma, es, ltm, gtm, gtt",
}


@command_line.command(ATTACK, __doc__)
@command_line.on_devices
def main(options):
    """Attacks as the flags say."""
    require(options, **REQUIRED)
    place = place_of(options)
    from hm_tf.image_attack.attack_aim import aim, check_candidate
    from hm_tf.image_attack.attack_files import usual_folder, write_attack
    from hm_tf.image_attack.attacked_ranking import ranking_table
    from hm_tf.image_attack.embedded_gallery import OwnImages
    from hm_tf.runs.saved_run import open_run
    from robust_tf.runs import lock

    ranking_attack = _ranking_attack(options.attack, options.mode)
    check_candidate(ranking_attack.name, options.candidate)  # before the gallery is embedded
    run = options.fill(open_run)
    pgd = options.fill(run.attack)
    check_step_size(options, "step_size", pgd.steps, pgd.threat_model.norm)
    folder = pathlib.Path(options.output_dir or options.fill(usual_folder, run=run))
    require_folder("output_dir", folder)
    images = options.fill(OwnImages, run=run)
    search = images.search
    goal = aim(ranking_attack, search, options.candidate, options.seed)
    if len(search.embeddings) <= options.top:
        raise UserError(
            f"--top={options.top}: the gallery has {len(search.embeddings) - 1} images besides the "
            "query; lower it"
        )
    print("\n".join(images.notices(goal)))
    asked = {"run": options.values[place], "query": options.query, "seed": options.seed}
    with lock.held(folder):
        rankings, reached = write_attack(
            folder, ranking_attack, pgd, images, goal, options.top, **asked
        )
    print(
        f"\n{ranking_attack.name}, {ranking_attack.mode}: {pgd.threat_model}, {pgd.steps} steps of "
        f"{format_magnitude(pgd.step_size)} from the image itself"
    )
    print(ranking_table(rankings, search, goal.target))
    print("saved file: rounded to 8 bits per channel, still within eps, and read again")
    print(f"aim {reached}")
    print(f"\nfolder: {folder}")


def _ranking_attack(name, mode):
    from hm_tf.ranking_attacks import registry

    try:
        return registry.get(name, mode)
    except ValueError as error:
        raise UserError(f"--attack: {error}".lower()) from error


if __name__ == "__main__":
    sys.exit(main())
