"""Accuracy under attack: attacks, records and checks."""
