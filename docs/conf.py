"""Sphinx configuration."""

import importlib.metadata

project = "nauth"
author = "the nauth authors"
copyright = "2026, the nauth authors"
release = importlib.metadata.version("nauth")

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.napoleon",
    "sphinx.ext.viewcode",
    "sphinx_copybutton",
    "sphinx_design",
]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
exclude_patterns = ["_build", "examples/*.md"]
templates_path = ["_templates"]

html_theme = "furo"
html_title = f"nauth {release}"
html_static_path = ["figures"]
html_css_files = ["figures.css"]
html_js_files = ["tables.js"]
html_theme_options = {"top_of_page_buttons": []}

autosummary_generate = True
autosummary_imported_members = True
autodoc_typehints = "description"
autodoc_typehints_format = "short"
autodoc_member_order = "bysource"
# True prints attrs' own text (`attr_dict['margin'].default`) where the default should stand
autodoc_preserve_defaults = False
toc_object_entries = False
python_maximum_signature_line_length = 80
# a name in single back-ticks becomes a link where the reference has it, and stays code where not
default_role = "py:obj"
napoleon_use_ivar = True
copybutton_exclude = ".linenos, .gp, .go"
