"""The token on requests: one adapter for aiohttp and one for httpx, with the same guards."""

from nauth.bearer.aiohttp import BearerAuth
from nauth.bearer.unauthorized import Answered, Hidden401

__all__ = ["Answered", "BearerAuth", "Hidden401"]
