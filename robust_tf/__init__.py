"""The ground floor of tla_tf and hm_tf: attacks, losses, data, models, training, evaluation."""

__version__ = "0.1.0"
