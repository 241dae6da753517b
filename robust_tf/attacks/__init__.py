"""Attacks: one gradient-ascent loop, what it ascends, and named settings."""
