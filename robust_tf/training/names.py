"""What the device flags may be set to; free of TensorFlow, so that --help answers at once."""

STRATEGIES = ("auto", "one_device", "mirrored")
PRECISIONS = ("float32", "mixed_bfloat16", "mixed_float16")
XLA_CHOICES = ("auto", "true", "false")
