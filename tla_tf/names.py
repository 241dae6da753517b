"""What the flags may be set to; free of TensorFlow, so that --help answers at once."""

METHODS = ("um", "at", "alp", "tla", "tla_rn", "tla_sa")
POOLS = ("batch", "separate")
POSITIVES = ("other", "own", "both")
NEGATIVES = ("nearest", "random", "masked")
ANCHORS = ("adv", "clean")
MIM_FORMS = ("accumulate", "l1", "ema")
OUTPUTS = ("table2", "table3", "figure1", "figure2", "figure4", "figure5")
COVARIANCES = ("auto", "full", "tied", "diag")
DETECTED = ("misclassified", "adversarial")
IMAGE_FORMATS = ("png", "svg")
