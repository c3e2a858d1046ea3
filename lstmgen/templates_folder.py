"""Where the templates are: in an installed package, or at the top of the repository."""

from __future__ import annotations

from pathlib import Path

from lstmgen.errors import UnavailableError

__all__ = ["template_folder"]


def template_folder() -> Path:
    """The folder of the templates.

    A wheel carries the top-level `templates/` inside the package; an editable install and a
    checkout have it beside the package.

    Raises:
        UnavailableError: it is in neither place; the installation is damaged.
    """
    package = Path(__file__).resolve().parent
    if any((package / "templates").glob("**/*.j2")):
        return package / "templates"
    # Without the project's own file the folder beside the package is site-packages, and a folder
    # `templates` there is somebody else's.
    if (package.parent / "pyproject.toml").is_file() and (package.parent / "templates").is_dir():
        return package.parent / "templates"
    raise UnavailableError(
        f"the templates of lstmgen are neither in {package} nor beside it; install it again: "
        "pip install --force-reinstall lstmgen"
    )
