"""Readers of weights in other formats: a file in, a dict from tensor name to NumPy array out."""
