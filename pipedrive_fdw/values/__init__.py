"""Conversions: one pair for each type of PostgreSQL, and JSON."""
