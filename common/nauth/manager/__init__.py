"""One token, one renewal at a time: the token manager and its parts."""

from nauth.manager.token_manager import TokenManager

__all__ = ["TokenManager"]
