"""HM: hardness manipulation, the gradual adversary and intra-class structure for robust deep metric
learning (Zhou and Patel, CVPR 2022)."""

from robust_tf.lazy import lazy

__all__, __getattr__, __dir__ = lazy(
    __name__,
    {
        "AntiCollapseTriplet": "defenses.anti_collapse_triplet",
        "EmbeddingShiftedTriplet": "defenses.embedding_shifted_triplet",
        "HardnessManipulation": "defenses.hardness_manipulation",
        "MinMax": "defenses.min_max",
        "NoDefense": "defenses.no_defense",
        "PairedBatches": "triplets.paired_batches",
        "SuppressingEmbeddingShift": "defenses.suppressing_embedding_shift",
    },
)
