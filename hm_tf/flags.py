"""The flags of hm_tf's commands. Defined in functions: importing this module defines nothing.

Hyper-parameters have no default here. Their values stand in flags/hm/<dataset>.flags.
"""

from hm_tf.names import BN_MODES, DEFENSES, MODES, SAMPLERS
from robust_tf.flag_topics import (
    RECIPE,
    Topic,
    define_devices,
    define_reading,
    define_run,
    define_schedule,
)


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
    defense.choice("source", None, SAMPLERS, "Sampler of the triplets (hm: of the source)." + RECIPE)
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
    defense.string("model", None, "digits_embedding, c2f2, resnet18 or resnet50." + RECIPE)
    defense.choice("bn", None, BN_MODES, "Batch norm statistics of the ResNets." + RECIPE)

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

    evaluation = Topic("Evaluation after training", flag_values)
    evaluation.count("eval_steps", None, "PGD steps of the ES attack." + RECIPE)
    evaluation.string("eval_step_size", None, "In the unit of --eps." + RECIPE)
    evaluation.count("eval_batch_size", 128, "Images per embedded or attacked batch.")
