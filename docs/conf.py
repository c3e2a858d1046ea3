"""Sphinx's settings, for `sphinx-build -W docs build/docs`; nothing is fetched from the network."""

import sys
from pathlib import Path

import lstmgen

sys.path.insert(0, str(Path(__file__).parent.parent / "generated"))  # for the page of a module

project = "lstmgen"
release = lstmgen.__version__
author = "The lstmgen authors"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
html_theme = "furo"
html_show_copyright = False  # LICENSE has it
html_title = f"lstmgen {release}"
default_role = "code"  # `name` in a docstring
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
python_use_unqualified_type_names = True
myst_heading_anchors = 3
