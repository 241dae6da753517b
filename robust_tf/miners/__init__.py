"""Choosing tuples inside a batch, without gradient."""
