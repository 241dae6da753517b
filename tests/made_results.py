"""Records made by hand, for the tests of what reads them."""

from robust_tf.results.result import Result

BALL = {"eps": 0.1, "norm": "linf", "lower": 0.0, "upper": 1.0}


DOUBTED = ({"name": "gradients", "message": "zero gradients"},)


def made(attack, value, **changes):
    """An accuracy of one network on digits, in `BALL` unless the images are clean."""
    fields = {
        "dataset": "digits",
        "split": "test",
        "n": 100,
        "method": "tla",
        "model": "net",
        "training_seed": 0,
        "attack": attack,
        "attack_settings": {},
        "threat_model": {} if attack == "clean" else dict(BALL),
        "metric": "accuracy",
        "value": value,
        "correct": None,
        "interval": None,
        "precision": "float32",
        "seed": 0,
        "weights_hash": "w",
        "versions": {},
    }
    return Result(**{**fields, **changes})
