"""stub."""
from typing import Any
def write(kept: dict[str, Any]) -> None:
    """Write."""
