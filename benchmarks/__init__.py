"""Comparisons that are run by hand; nothing here is part of the pipeline or asserted in a test."""
