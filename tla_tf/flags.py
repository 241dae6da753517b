"""The flags of tla_tf's commands. Defined in functions: importing this module defines nothing.

Hyper-parameters have no default here. Their values stand in flags/tla/<dataset>.flags.
"""

from absl import flags as absl_flags

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
from robust_tf.data.names import DATASETS
from tla_tf.names import (
    ANCHORS,
    COVARIANCES,
    DETECTED,
    IMAGE_FORMATS,
    METHODS,
    MIM_FORMS,
    NEGATIVES,
    OUTPUTS,
    POOLS,
    POSITIVES,
)


def define_train(flag_values):
    """Defines the flags of `python -m tla_tf.train`."""
    run = Topic("Run", flag_values)
    define_run(run, "tla_tf", "<method>")
    run.path("init_from", None, "Run folder whose weights to start from (fine-tuning).")

    data = Topic("Data", flag_values)
    data.string(
        "dataset",
        "digits",
        f"{', '.join(DATASETS)}. There is a recipe for digits, mnist, cifar10, tiny_imagenet and "
        "folder; fashion_mnist needs its flags; the others are for hm_tf, which tests on classes "
        "that it does not train on.",
    )
    _define_data(data)
    define_reading(data)

    method = Topic("Method and model", flag_values)
    method.choice("method", "tla", METHODS, "Training method.")
    method.string(
        "model",
        None,
        "Network: digits_cnn, mlp, lenet_large, lenet_small, tiny_res20, tiny_res50, wrn_D_W."
        + RECIPE,
    )

    _define_attack(Topic("Inner attack", flag_values))
    _define_triplet(Topic("Triplet loss (tla, tla_rn, tla_sa)", flag_values))
    _define_pairing(Topic("Logit pairing (alp)", flag_values))
    _define_optimisation(Topic("Optimisation", flag_values))
    define_devices(Topic("Devices and precision", flag_values))

    selection = Topic("Selection", flag_values)
    selection.count("held_out", 0, "Training images kept out, attacked at every checkpoint.", 0)
    selection.choice(
        "select", "last", ("last", "best"), "best: the network with the best held-out PGD-10."
    )

    evaluation = Topic("Evaluation after training", flag_values)
    evaluation.numbers("eval_attacks", None, "As --attacks of tla_tf.evaluate." + RECIPE)
    evaluation.count("eval_batch_size", 250, "Images per attacked batch.")


def define_evaluate(flag_values):
    """Defines the flags of `python -m tla_tf.evaluate`."""
    run = Topic("Run", flag_values)
    run.path("workdir", None, "Folder of the finished run to evaluate.")
    run.seed("Seed of the attacks' random starts.")
    saved = Topic("SavedModel instead of a run", flag_values)
    saved.path(
        "saved_model",
        None,
        "Folder of a SavedModel, or an export_dir (its newest): images in [0, 1] to logits.",
    )
    saved.string("dataset", None, "Its data. Required with --saved_model, as is --eps.")
    saved.string("endpoint", "serving_default", "Its signature.")
    saved.string("output", "logits", "Name of the signature's output.")
    _define_data(Topic("Data", flag_values))
    attack = Topic("Attacks", flag_values)
    attack.numbers(
        "attacks",
        ["clean", "fgsm", "pgd20"],
        "Comma-separated: clean, fgsm, bimN, pgdN, cwN, mimN with N steps; a number in front gives "
        "restarts (20pgd20); apgd-ce, apgd-dlr, apgd-t, fab-t, square; the groups standard "
        "(AutoAttack: only what withstood the members before is attacked), table1, cleverhans.",
    )
    attack.repeated_path(
        "substitute",
        "Run folder to transfer black-box images from, repeatable: adds the attack transfer (PGD "
        "of table 1's last column), or transfer-NAME where --attacks names it.",
    )
    attack.choice(
        "mim_form",
        "accumulate",
        MIM_FORMS,
        "Momentum of mimN: g + gradient (decay 1), the same of gradients divided by their L1 norm, "
        "or a running mean (decay 0.9; the authors' code).",
    )
    attack.switch(
        "round_pixels",
        False,
        "Round attacked images to 8 bits before they are classified, as the authors' code.",
    )
    attack.switch("fresh", False, "Attack again what is stored in RUN.")
    attack.switch("save_adversarial", False, "Keep the attacked images in RUN/adversarial.")
    define_checks(attack, "images")
    attack.string("eps", None, "Radius in [0, 1] pixels, also as 8/255. Default: of the training.")
    attack.choice("norm", "linf", ("linf", "l2"), "Norm of the ball.")
    attack.count("batch_size", 250, "Images per attacked batch.")
    device = Topic("Devices and precision", flag_values)
    define_network(device)


def _define_data(topic):
    topic.string(
        "data_dir",
        None,
        "TFDS folder, folder of tiny-imagenet-200.zip, or folder of the classes. Default: TFDS's "
        "own, downloading.",
    )
    topic.count("limit_test", None, "Use the first n test images only.")


def _define_attack(topic):
    topic.string("eps", None, "Radius in [0, 1] pixels, also as 8/255." + RECIPE)
    topic.choice("norm", "linf", ("linf", "l2"), "Norm of the ball.")
    topic.count("attack_steps", None, "PGD steps." + RECIPE)
    topic.string(
        "attack_step_size",
        None,
        "In the unit of --eps. Default: of the recipe, 2.5 * eps / steps where that does not fit.",
    )
    topic.choice(
        "attack_bn_mode",
        "inference",
        ("inference", "training"),
        "Batch norm in the attack's passes; training: the authors' AT.",
    )


def _define_triplet(topic):
    topic.number("lambda_triplet", None, "Weight of the triplet loss, lambda_1." + RECIPE)
    topic.number("margin", None, "Margin of the triplet loss." + RECIPE)
    topic.number("lambda_norm", None, "Weight of the embedding norms, lambda_2." + RECIPE)
    topic.choice("norm_form", "l2", ("l2", "mean_sq"), "Sum of norms, or the authors' mean square.")
    topic.choice("pool", None, POOLS, "Candidates: the clean batch, or separate images." + RECIPE)
    topic.count("pool_mul", None, "Batches of candidates per update with --pool=separate." + RECIPE)
    topic.choice(
        "positive", "other", POSITIVES, "Another image of the class, the own one, or both."
    )
    topic.string("own_noise", "0", "Noise on the own image, in the unit of --eps.")
    topic.number("own_margin_mul", 1.0, "Factor on the margin of the own-image triplet.")
    topic.number("match_l2", 0.0, "Weight of the squared distance to the own image's embedding.")
    topic.choice(
        "negative", None, NEGATIVES, "Default: of the method (tla nearest, tla_rn random)."
    )
    topic.number("neg_keep", 0.5, "Share of candidates that --negative=masked keeps.", 1.0)
    topic.choice("neg_similarity", "abs", ("abs", "signed"), "Angular distance, or signed cosine.")
    topic.choice("neg_mask", "neg_inf", ("neg_inf", "zero"), "zero: the authors', can mislabel.")
    topic.switch("rn_class_check", True, "False: random negatives of any class, as the authors.")
    topic.choice("anchor", None, ANCHORS, "Default: of the method (tla adv, tla_sa clean).")
    topic.switch("concat_forward", False, "One training-mode forward of all images of an update.")
    topic.choice("mining", "global", ("global", "replica"), "Candidates of all replicas, or local.")


def _define_pairing(topic):
    topic.number("alp_weight", 0.5, "Weight of the pairing term.")
    topic.number(
        "alp_clean_weight",
        0.5,
        "Weight of the clean cross entropy, the rest is of the attacked one; 0: AT + pairing.",
        1.0,
    )
    topic.choice("alp_layer", "logits", ("logits", "x4"), "What is paired.")
    topic.choice("alp_reduce", "sum", ("sum", "mean"), "Over the coordinates.")


def _define_optimisation(topic):
    topic.count("batch_size", None, "Images per update over all replicas." + RECIPE)
    topic.choice("optimizer", None, ("adam", "momentum"), "momentum: SGD, TF1 form." + RECIPE)
    define_schedule(topic)
    topic.number("weight_decay", None, "Of sum 1/2 |W|^2 over kernels." + RECIPE)
    topic.number("label_smoothing", 0.0, "Of the cross entropy, in loss and attack.", 1.0)
    topic.choice(
        "reduction", "mean", ("mean", "sum"), "Over the batch; sum: equation (1) literally."
    )


def define_analyze(flag_values):
    """Defines the flags of `python -m tla_tf.analyze`."""
    run = Topic("Runs", flag_values)
    run.paths("workdir", [], "Folders of finished runs of one data set. Required.")
    run.seed("Seed of the attack's random starts, of samples and of t-SNE.")
    output = Topic("Outputs", flag_values)
    output.numbers("outputs", list(OUTPUTS), "Comma-separated.")
    output.path("output_dir", None, "Folder of the figures. Default: <first run>/figures.")
    output.choice("format", "png", IMAGE_FORMATS, "Of the figures.")
    output.choice(
        "covariance",
        "auto",
        COVARIANCES,
        "Of figure5's Gaussians. auto: full, but tied where a class has fewer training images than "
        "an embedding has entries.",
    )
    output.choice(
        "positive",
        "misclassified",
        DETECTED,
        "What figure5 detects: misclassified images, natural or attacked, or all attacked ones.",
    )
    output.switch(
        "all_adv",
        False,
        "table2's true-class companion also of attacked images that are classified correctly.",
    )
    data = Topic("Data", flag_values)
    _define_data(data)
    data.count("limit_train", None, "Use the first n training images only.")
    attack = Topic("Attack", flag_values)
    attack.string("attack", "pgd20", "One attack, named as in --attacks of tla_tf.evaluate.")
    attack.string("eps", None, "Radius in [0, 1] pixels, also as 8/255. Default: of the training.")
    attack.choice("norm", "linf", ("linf", "l2"), "Norm of the ball.")
    attack.count("batch_size", 250, "Images per attacked batch.")


def define_compare(flag_values):
    """Defines the flags of `python -m tla_tf.compare`."""
    runs = Topic("Runs", flag_values)
    runs.paths("workdir", [], "Folders of evaluated runs to compare with each other.")
    runs.path("html", None, "File of a page of this comparison. Default: none.")
    runs.paths("runs", ["runs"], "Folders of runs, or .jsonl of records, to set beside the paper.")


def define_report(flag_values):
    """Defines the flags of `python -m tla_tf.report`."""
    run = Topic("Runs", flag_values)
    run.paths("workdir", [], "Folders of evaluated runs of one data set. Required.")
    run.string("data_dir", None, "Where the data are. Default: of the training.")
    page = Topic("Page", flag_values)
    page.path("output", "report.html", "File of the page.")


def resolve_train(arguments):
    """Returns dict of all flags of a training from those typed, list of str, and the recipe."""
    typed = recipe.combine(arguments, lambda given: _parse_train(given).dataset, "tla")
    resolved = _parse_train(typed)
    return {name: resolved[name].value for name in resolved}


def _parse_train(arguments):
    values = absl_flags.FlagValues()
    define_train(values)
    values(["command", *arguments])
    return values
