"""JSON to typed records and back."""

from nauth.wire.converter import (
    MismatchError,
    Rule,
    Unit,
    camel,
    decode,
    encode,
    identity,
    make_converter,
    parse_json,
    pascal,
    reader_of,
    rename_with,
    type_name,
)

__all__ = [
    "MismatchError",
    "Rule",
    "Unit",
    "camel",
    "decode",
    "encode",
    "identity",
    "make_converter",
    "parse_json",
    "pascal",
    "reader_of",
    "rename_with",
    "type_name",
]
