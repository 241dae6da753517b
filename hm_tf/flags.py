"""The flags of hm_tf's commands. Defined in functions: importing this module defines nothing.

Hyper-parameters have no default here. Their values stand in flags/hm/<dataset>.flags.
"""

from hm_tf.names import BN_MODES, DEFENSES, MODES, ON_COLLAPSE, SAMPLERS
from robust_tf.flag_topics import (
    RECIPE,
    Topic,
    define_devices,
    define_reading,
    define_run,
    define_schedule,
)
from robust_tf.training.names import PRECISIONS, XLA_CHOICES


def define_train(flag_values):
    """Defines the flags of `python -m hm_tf.train`."""
    define_run(Topic("Run", flag_values), "hm_tf", "<defense>")

    data = Topic("Data", flag_values)
    data.string("dataset", "digits", "digits, mnist, folder and the other data sets.")
    data.string("data_dir", None, "Folder with the data. Default: TFDS's own, downloading.")
    define_reading(data)
    data.count("limit_test", None, "Use the first n test images only.")
    data.string("train_classes", None, "File with the training classes, one a line (folder).")

    defense = Topic("Defense and model", flag_values)
    defense.choice("defense", "hm", DEFENSES, "Training method.")
    defense.choice(
        "source", None, SAMPLERS, "Sampler of the triplets (hm: of the source)." + RECIPE
    )
    defense.string(
        "destination",
        None,
        "Hardness to reach: a sampler, lga, g2, ghalf, gb:SAMPLER, a number, or module.function."
        + RECIPE,
    )
    defense.number("ics", None, "Weight of the intra-class structure loss; 0: without." + RECIPE)
    defense.number("ics_margin", 0.0, "Margin of the intra-class structure loss.")
    defense.number("margin", None, "Margin of the triplet loss, gamma." + RECIPE)
    defense.number("loss_bound", None, "u of the gradual destinations. Default: the margin.")
    defense.choice("sampling", "fixed", MODES, "compat: with the fallbacks of the authors' code.")
    defense.string("model", None, "digits_embedding, c2f2, resnet10_16, resnet18 or resnet50." + RECIPE)
    defense.choice("bn", None, BN_MODES, "Batch norm statistics of the ResNets." + RECIPE)
    defense.string(
        "init_weights",
        "none",
        "What a ResNet starts from: none, imagenet (by way of keras-hub), or a file made by "
        "tools/convert_resnet_weights.py.",
    )

    attack = Topic("Inner attack", flag_values)
    attack.string("eps", None, "L-inf radius in [0, 1] pixels, also as 8/255." + RECIPE)
    attack.count("pgd_steps", None, "PGD steps, eta." + RECIPE)
    attack.string("pgd_step_size", None, "In the unit of --eps." + RECIPE)

    optimisation = Topic("Optimisation", flag_values)
    optimisation.count("batch_size", None, "Images per update, over all shards." + RECIPE, 4)
    optimisation.count("shard_size", None, "Images among which triplets are mined." + RECIPE, 4)
    define_schedule(optimisation)
    optimisation.number("weight_decay", None, "L2 on all parameters, coupled." + RECIPE)
    define_devices(Topic("Devices and precision", flag_values))

    collapse = Topic("Collapse of the embeddings", flag_values)
    collapse.choice("on_collapse", "warn", ON_COLLAPSE, "What to do when all images look the same.")
    collapse.count(
        "held_out",
        0,
        "Training images to keep out, at best hundreds: after each checkpoint interval their R@1 "
        "must beat chance.",
        lowest=0,
    )

    evaluation = Topic("Evaluation after training", flag_values)
    evaluation.count("eval_steps", None, "PGD steps of the ES attack." + RECIPE)
    evaluation.string("eval_step_size", None, "In the unit of --eps." + RECIPE)
    evaluation.count("eval_batch_size", 128, "Images per embedded or attacked batch.")


def define_evaluate(flag_values):
    """Defines the flags of `python -m hm_tf.evaluate`."""
    run = Topic("Run", flag_values)
    run.string("workdir", None, "Folder of the finished run to evaluate. Required.")
    run.string("data_dir", None, "Folder with the data. Default: that of the training.")
    run.count("limit_test", None, "Use the first n test images only.")
    evaluation = Topic("Evaluation", flag_values)
    evaluation.count("eval_steps", None, "PGD steps of the ES attack. Default: those of the run.")
    evaluation.count("batch_size", 128, "Images per embedded or attacked batch.")
    evaluation.choice("precision", "float32", PRECISIONS, "Keras policy of the network.")
    evaluation.choice("jit_compile", "auto", XLA_CHOICES, "XLA; auto: on a GPU only.")


def define_export(flag_values):
    """Defines the flags of `python -m hm_tf.export`."""
    run = Topic("Run", flag_values)
    run.string("workdir", None, "Folder of the finished run to export. Required.")
    run.string("data_dir", None, "Folder of a --dataset=folder run. Default: of the training.")
    run.string("export_dir", None, "Where the SavedModel goes, as <export_dir>/1. Required.")
