"""The flags of hm_tf's commands. Defined in functions: importing this module defines nothing.

Hyper-parameters have no default here. Their values stand in flags/hm/<dataset>.flags.
"""

from absl import flags as absl_flags

from hm_tf.names import ATTACK_MODES, DEFENSES, EVALUATION_PROFILES, ON_COLLAPSE, STRENGTHS
from hm_tf.triplets.sampler_names import SAMPLING_MODES, SYMBOLS
from robust_tf.cli import recipe
from robust_tf.cli.flag_topics import (
    RECIPE,
    Topic,
    define_checks,
    define_devices,
    define_network,
    define_reading,
    define_run,
    define_schedule,
)
from robust_tf.models.names import BN_MODES


def define_train(flag_values):
    """Defines the flags of `python -m hm_tf.train`."""
    define_run(Topic("Run", flag_values), "hm_tf", "<defense>-<source>[-<destination>-ics<w>]")
    _define_data(Topic("Data", flag_values))
    _define_defense(Topic("Defense and model", flag_values))
    _define_inner_attack(Topic("Inner attack", flag_values))
    _define_optimisation(Topic("Optimisation", flag_values))
    define_devices(Topic("Devices and precision", flag_values))
    _define_collapse(Topic("Collapse of the embeddings", flag_values))

    evaluation = Topic("Evaluation after training", flag_values)
    evaluation.count("eval_steps", None, "PGD steps of the ES attack." + RECIPE)
    evaluation.string("eval_step_size", None, "In the unit of --eps." + RECIPE)
    evaluation.count("eval_batch_size", 128, "Images per embedded or attacked batch.")


def define_evaluate(flag_values):
    """Defines the flags of `python -m hm_tf.evaluate`."""
    run = Topic("Run", flag_values)
    run.path("workdir", None, "Folder of the finished run to evaluate. Required.")
    run.seed("Seed of the chosen items and of random starts.")
    run.string("data_dir", None, "Folder with the data. Default: that of the training.")
    run.count("limit_test", None, "Use the first n test images only, as queries and as gallery.")
    run.count("limit_queries", None, "Attack n queries only, evenly spread; the gallery is whole.")
    _define_ranking_attacks(Topic("Attacks", flag_values))
    _define_attacker(Topic("Attacker", flag_values))
    evaluation = Topic("Evaluation", flag_values)
    define_checks(evaluation, "queries")
    evaluation.switch("fresh", False, "Attack again what is stored in RUN.")
    evaluation.count("batch_size", 128, "Images per embedded or attacked batch.")
    define_network(evaluation)


def _define_data(topic):
    topic.string("dataset", "digits", "digits, mnist, folder and the other data sets.")
    topic.string("data_dir", None, "Folder with the data. Default: TFDS's own, downloading.")
    define_reading(topic)
    topic.count("limit_test", None, "Use the first n test images only.")
    topic.path("train_classes", None, "File with the training classes, one a line (folder).")


def _define_defense(topic):
    topic.choice("defense", "hm", DEFENSES, "Training method.")
    topic.choice("source", None, SYMBOLS, "Sampler of the triplets (hm: of the source)." + RECIPE)
    topic.string(
        "destination",
        None,
        "Hardness to reach: a sampler, lga, g2, ghalf, gb:SAMPLER, a number, or module.function."
        + RECIPE,
    )
    topic.number("ics", None, "Weight of the intra-class structure loss; 0: without." + RECIPE)
    topic.number("ics_margin", 0.0, "Margin of the intra-class structure loss.")
    topic.number("margin", None, "Margin of the triplet loss, gamma." + RECIPE)
    topic.number("loss_bound", None, "u of the gradual destinations. Default: the margin.")
    topic.choice(
        "sampling", "fixed", SAMPLING_MODES, "compat: with the fallbacks of the authors' code."
    )
    topic.string(
        "model", None, "digits_embedding, c2f2, resnet10_16, resnet18 or resnet50." + RECIPE
    )
    topic.choice("bn", None, BN_MODES, "Batch norm statistics of the ResNets." + RECIPE)
    topic.string(
        "init_weights",
        "none",
        "What a ResNet starts from: none, imagenet (by way of keras-hub), or a file made by "
        "tools/convert_resnet_weights.py.",
    )


def _define_inner_attack(topic):
    topic.string("eps", None, "L-inf radius in [0, 1] pixels, also as 8/255." + RECIPE)
    topic.count("pgd_steps", None, "PGD steps, eta." + RECIPE)
    topic.string("pgd_step_size", None, "In the unit of --eps." + RECIPE)


def _define_optimisation(topic):
    topic.count("batch_size", None, "Images per update, over all shards." + RECIPE, 4)
    topic.count("shard_size", None, "Images among which triplets are mined." + RECIPE, 4)
    define_schedule(topic)
    topic.number("weight_decay", None, "L2 on all parameters, coupled." + RECIPE)


def _define_collapse(topic):
    topic.choice("on_collapse", "warn", ON_COLLAPSE, "What to do when all images look the same.")
    topic.count(
        "held_out",
        0,
        "Training images to keep out, at best hundreds: after each checkpoint interval their R@1 "
        "must beat chance. 0: that of 256 training images must.",
        lowest=0,
    )


def _define_ranking_attacks(topic):
    topic.numbers(
        "attacks",
        ["all"],
        "Comma-separated: CA+, CA-, QA+, QA-, TMA, ES, LTM, GTM, GTT; all; none. ERS needs all.",
    )
    topic.choice(
        "mode",
        "both",
        ("both", *ATTACK_MODES),
        "compat: as the authors' code, to compare with printed tables; fixed: as meant.",
    )
    topic.choice("strength", "protocol", STRENGTHS, "strong: protocol, and APGD with restarts.")
    topic.count("restarts", 3, "Random starts of --strength=strong.")
    topic.path(
        "substitute", None, "Another run, on whose network images are made to be tried on this one."
    )


def _define_attacker(topic):
    topic.choice(
        "profile",
        "run",
        EVALUATION_PROFILES,
        "eps, steps and step size: of the run, or of the authors for 224 or 28 pixels.",
    )
    topic.string("eps", None, "L-inf radius in [0, 1] pixels, also as 8/255. Default: --profile.")
    topic.count("eval_steps", None, "PGD steps. Default: those of --profile.")
    topic.string("eval_step_size", None, "In the unit of --eps. Default: that of --profile.")


def define_attack(flag_values):
    """Defines the flags of `python -m hm_tf.attack`."""
    images = Topic("Images", flag_values)
    images.path("workdir", None, "Folder of the finished run to attack. Required.")
    images.string("query", None, "Image to search with, JPEG or PNG. Required.")
    images.string(
        "gallery", None, "Folder of images, or of one subfolder per class (ltm, gtm). Required."
    )
    images.string("candidate", None, "Image of the gallery that ca, qa and tma are about.")
    images.string("query_class", None, "Subfolder the query belongs to, if it is not in one.")
    images.choice("on_bad_image", "fail", ("fail", "skip"), "Undecodable files of the gallery.")
    images.string("data_dir", None, "Folder of a --dataset=folder run. Default: of the training.")

    attacks = Topic("Attack", flag_values)
    attacks.string("attack", None, "ca+, ca-, qa+, qa-, tma, es, ltm, gtm or gtt. Required.")
    attacks.choice("mode", "fixed", ATTACK_MODES, "compat: as the authors' code; fixed: as meant.")
    attacks.string("eps", None, "L-inf radius in [0, 1] pixels, also as 8/255. Default: the run's.")
    attacks.count("steps", None, "PGD steps. Default: those of the run's evaluation.")
    attacks.string("step_size", None, "In the unit of --eps. Default: that of the evaluation.")
    attacks.seed("Seed of the candidate that is drawn without --candidate.")

    output = Topic("Output", flag_values)
    output.path("output_dir", None, "Default: RUN/attacks/<folder>_<query>_<attack>.")
    output.count("top", 5, "Images of each ranking in the picture.")
    output.count("batch_size", 128, "Images embedded together.")


def define_analyze(flag_values):
    """Defines the flags of `python -m hm_tf.analyze`."""
    run = Topic("Run", flag_values)
    run.path("workdir", None, "Folder of the finished run to analyse. Required.")
    run.string("data_dir", None, "Folder with the data. Default: that of the training.")
    run.seed("Seed of the batches and of the draws.")
    run.count("batches", 100, "Batches of training images; the paper has 1000.")


def define_compare(flag_values):
    """Defines the flags of `python -m hm_tf.compare`."""
    runs = Topic("Runs", flag_values)
    runs.paths("workdir", [], "Folders of evaluated runs to compare with each other. Required.")
    runs.path("html", None, "File of a page of this comparison. Default: none.")


def define_report(flag_values):
    """Defines the flags of `python -m hm_tf.report`."""
    page = Topic("Report", flag_values)
    page.paths("workdir", [], "Run folders, separated by commas. Required.")
    page.path("output", "report.html", "File of the page.")
    page.path("figures_dir", None, "Folder for the figures as PNG too. Default: none.")


def resolve_train(arguments):
    """Returns dict of all flags of a training from those typed, list of str, and the recipe."""
    typed = recipe.combine(arguments, lambda given: _parse_train(given).dataset, "hm")
    resolved = _parse_train(typed)
    return {name: resolved[name].value for name in resolved}


def _parse_train(arguments):
    values = absl_flags.FlagValues()
    define_train(values)
    values(["command", *arguments])
    return values
