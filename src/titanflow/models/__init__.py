"""Trained models: the registry of their folders, the checks before one is used, and how each kind computes a score."""
