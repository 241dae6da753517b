"""The runs of classifiers: training, finished, or a model without a run folder."""
