"""Comparisons and pages, made of stored records."""
