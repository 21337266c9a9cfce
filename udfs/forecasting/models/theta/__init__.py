"""The Theta models."""
