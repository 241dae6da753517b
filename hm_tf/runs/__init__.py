"""The runs of embedding networks: training, finished, or a model without a run folder."""
