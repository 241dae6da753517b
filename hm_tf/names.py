"""What the flags may be set to, and what a defense is called; free of TensorFlow."""

DEFENSES = ("hm", "none", "est", "act", "minmax", "ses")
ON_COLLAPSE = ("warn", "stop")
TITLES = {"none": "N/A", "est": "EST", "act": "ACT", "minmax": "MinMax", "ses": "SES"}
ATTACK_MODES = ("compat", "fixed")
STRENGTHS = ("protocol", "strong")
EVALUATION_PROFILES = ("run", "rob224", "rob28")
