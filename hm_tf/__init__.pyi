from .defenses.anti_collapse_triplet import AntiCollapseTriplet as AntiCollapseTriplet
from .defenses.embedding_shifted_triplet import EmbeddingShiftedTriplet as EmbeddingShiftedTriplet
from .defenses.hardness_manipulation import HardnessManipulation as HardnessManipulation
from .defenses.metric_defense import MetricDefense as MetricDefense
from .defenses.min_max import MinMax as MinMax
from .defenses.no_defense import NoDefense as NoDefense
from .defenses.suppressing_embedding_shift import (
    SuppressingEmbeddingShift as SuppressingEmbeddingShift,
)
from .evaluation.robust_retrieval import RobustRetrieval as RobustRetrieval
from .evaluation.robust_retrieval import robust_retrieval as robust_retrieval
from .triplets.paired_batches import PairedBatches as PairedBatches
