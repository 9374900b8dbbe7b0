"""Nomba."""
