"""HTTP for token calls: requests, responses, deadlines and retries."""

from nauth.transport.base import Answer, Request, Transport, request_id_of

__all__ = ["Answer", "Request", "Transport", "request_id_of"]
