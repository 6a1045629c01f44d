"""Runs of any DVC repository: its working tree, its branches and its experiments, compared."""
