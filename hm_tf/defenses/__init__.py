"""The defenses of the HM paper: the adversarial images of a step, and the loss on them."""

# Free of TensorFlow, for --help.
METRIC_LOSSES = ("triplet", "contrastive", "multi_similarity")
