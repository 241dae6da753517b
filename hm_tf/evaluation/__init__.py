"""Retrieval, attacked and clean: what is measured, stored, checked and printed."""
