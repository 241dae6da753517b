"""Classifiers by name: functional Keras graphs with outputs logits and embedding."""
