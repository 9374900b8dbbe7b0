"""Where credentials come from."""

from nauth.sources.environment import EnvironmentReader

__all__ = ["EnvironmentReader"]
