"""The demonstration: a thousand coroutines for each vendor, against local sandboxes."""
