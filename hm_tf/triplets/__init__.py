"""Pairs, triplets, their hardness, and the destinations of hardness manipulation."""
