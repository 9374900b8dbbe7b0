"""What can be seen of a client at work: its events, with whose they are, and the log."""

from nauth.reporting.reporter import Reporter

__all__ = ["Reporter"]
