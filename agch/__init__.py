"""Unsupervised cross-modal hashing: the science, with no knowledge of DVC or of where files lie."""
