"""Flags, recipes, one-line errors: what the commands share."""
