"""`GUARD`: the one lock of all managers of this process, open again in a forked child.

What is done under it is short and calls nothing foreign, so thousands of managers need no lock each.
"""

from __future__ import annotations

from nauth.after_fork import guard

__all__ = ["GUARD"]

GUARD = guard()
"""Never held over an await."""
