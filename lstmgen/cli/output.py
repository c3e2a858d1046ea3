"""What commands that can print JSON share."""

from __future__ import annotations

import json
from collections.abc import Mapping

import click

__all__ = ["as_json", "echo_json"]

as_json = click.option("--json", "as_json", is_flag=True, help="As JSON, with a schema version.")
"""The option."""


def echo_json(data: Mapping[str, object]) -> None:
    """Print plain data as one JSON object; `schema` in it is the version of its fields."""
    click.echo(json.dumps(data, ensure_ascii=False, indent=2, allow_nan=False))
