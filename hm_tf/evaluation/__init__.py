"""Retrieval, attacked and clean: attacks, metrics, records, checks and tables."""
