"""Accuracy under attack: what is run, stored and checked."""
