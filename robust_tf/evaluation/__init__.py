"""Measurements of trained models, and the records they are kept in."""
