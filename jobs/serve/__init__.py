"""Processes that stay: what others connect to."""
