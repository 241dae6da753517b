"""TLA: metric learning for adversarial robustness (Mao et al., NeurIPS 2019)."""

from robust_tf.lazy import lazy

__all__, __getattr__, __dir__ = lazy(
    __name__,
    {
        "AdversarialLogitPairing": "defenses.adversarial_logit_pairing",
        "AdversarialTraining": "defenses.adversarial_training",
        "NegativeSelection": "defenses.negatives",
        "TripletAdversarial": "defenses.triplet_adversarial",
        "Undefended": "defenses.undefended",
    },
)
