"""The folder of a run: training, checkpoints, resuming, finished runs."""
