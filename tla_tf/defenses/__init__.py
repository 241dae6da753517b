"""The training methods of the TLA paper, each a subclass of `AdversarialModel`."""
