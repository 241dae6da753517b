"""What a triplet sampler may be set to; free of TensorFlow, so that --help answers at once."""

# Name -> the letter that HM prints for it.
SYMBOLS = {"random": "R", "semihard": "M", "softhard": "S", "distance": "D", "hardest": "H"}
SAMPLING_MODES = ("fixed", "compat")
