"""How the documentation is built; warnings are errors (``make docs``)."""

import sys
from pathlib import Path

from faultsight import __version__

sys.path.insert(0, str(Path(__file__).parent))

import generate_reference

generate_reference.write_all()

project = "FaultSight"
author = "The FaultSight developers"
project_copyright = "2026, the FaultSight developers"
release = version = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
]
source_suffix = {".md": "markdown", ".rst": "restructuredtext"}
exclude_patterns = ["_build"]
myst_enable_extensions = ["dollarmath", "deflist"]
myst_heading_anchors = 3

# Attributes of one name in two classes are no mistake.
suppress_warnings = ["ref.python"]

autodoc_typehints = "none"
autodoc_member_order = "bysource"
napoleon_google_docstring = False
napoleon_use_rtype = False

html_theme = "furo"
html_title = f"FaultSight {version}"
html_show_sourcelink = False
