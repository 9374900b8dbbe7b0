"""Sphinx configuration."""

import importlib.metadata

project = "nauth"
author = "the nauth authors"
copyright = "2026, the nauth authors"
release = importlib.metadata.version("nauth")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]

html_theme = "furo"
html_title = "nauth"

autodoc_typehints = "description"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
default_role = "code"
napoleon_use_ivar = True
