"""One train-step template, one fit path, run folders, checkpoints, strategies, optimisers."""
