"""What commands that take a --target share.

Targets may come from packages: which there are, and what options they have, is asked when a
command is parsed or its help is printed, and not when this is imported.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

    from lstmgen.targets import Target

    _ParamType = click.ParamType[str]
else:
    _ParamType = click.ParamType  # not generic in older versions

__all__ = ["DeviceName", "TargetCommand", "TargetName"]


_OPTIONS = f"{__name__}.options"


class _Lazy(_ParamType):
    """One of some words, which are looked up late."""

    def words(self) -> Sequence[str]:
        """What may be said."""
        raise NotImplementedError

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """As of a choice."""
        return f"[{'|'.join(self.words())}]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The word, if it is one of them."""
        words = self.words()
        if value not in words:
            listed = ", ".join(map(repr, words))
            self.fail(f"{value!r} is not one of {listed}.", param, ctx)
        return str(value)

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        """Those that fit."""
        from click.shell_completion import CompletionItem

        return [CompletionItem(word) for word in self.words() if word.startswith(incomplete)]


class TargetName(_Lazy):
    """The name of a target."""

    name = "target"

    def words(self) -> Sequence[str]:
        """The names; nothing is loaded for them."""
        from lstmgen import targets

        return targets.names()


class DeviceName(_Lazy):
    """A device of any target, or auto."""

    name = "device"

    def words(self) -> Sequence[str]:
        """All devices, once each."""
        return tuple(dict.fromkeys(["auto", *(d for target in _loaded() for d in target.devices)]))


class TargetCommand(click.Command):
    """A command whose help lists the targets, and with `target_options` has their options."""

    def __init__(self, *arguments: Any, target_options: bool = False, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self._with_options = target_options

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Those of the command, and the targets'."""
        own = super().get_params(ctx)
        if not self._with_options:
            return own
        if _OPTIONS not in ctx.meta:  # asked for several times while a command is parsed
            ctx.meta[_OPTIONS] = _options(_loaded())
        return [*own, *ctx.meta[_OPTIONS]]

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The targets, a line each."""
        from lstmgen import targets

        found, problems = targets.available()
        with formatter.section("Targets"):
            formatter.write_dl([(name, target.summary) for name, target in found.items()])
        if problems:
            with formatter.section("Targets that cannot be used"):
                for problem in problems:
                    formatter.write_text(problem)
        super().format_epilog(ctx, formatter)


def _loaded() -> tuple[Target, ...]:
    from lstmgen import targets

    found, _ = targets.available()
    return tuple(found.values())


def _options(loaded: Sequence[Target]) -> list[click.Parameter]:
    """The targets' options; where two have one of the same name, it takes what either takes."""
    values: dict[str, dict[str, None]] = {}
    helps: dict[str, dict[tuple[str, str], list[str]]] = {}  # by text and default, whose they are
    for target in loaded:
        for option in target.options:
            values.setdefault(option.name, {}).update(dict.fromkeys(option.values))
            texts = helps.setdefault(option.name, {})
            texts.setdefault((option.help, option.default), []).append(target.name)
    return [
        click.Option(
            [f"--{name.replace('_', '-')}", f"target_option_{name}"],
            type=click.Choice(tuple(choices)),
            help="  ".join(
                f"{text}  For {' and '.join(names)}.  [default: {default}; with --check what the "
                "file says]"
                for (text, default), names in helps[name].items()
            ),
        )
        for name, choices in values.items()
    ]
