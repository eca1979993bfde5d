"""Conditions: what else must be true for a tuple to count, written in CEL over named and typed parameters (ADR 21)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv6Network, ip_address, ip_network
from typing import Any, Final

from cel_expr_python import cel

from remit_server.errors import ConfigurationError, InvalidRequest
from remit_server.rules.relations.costs import affordable
from remit_server.rules.relations.parameters import IP_ADDRESS, TypeRef, Unfit, address

LONGEST_EXPRESSION: Final = 512
"""Bytes."""
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")


class Unevaluable(InvalidRequest):
    """A condition that could not be decided: a parameter is missing or does not fit, or the evaluation failed."""

    code = "validation_error"


@dataclass(frozen=True, slots=True, eq=False)
class Condition:
    name: str
    expression: str
    parameters: Mapping[str, TypeRef]
    _program: cel.Expression = field(repr=False)
    _affordable: Callable[[Mapping[str, object]], bool] = field(repr=False)

    def evaluate(self, stored: str, asked: Mapping[str, Any]) -> bool:
        """Whether it holds, by what the tuple says (JSON text, empty for nothing) and what the question says.

        The tuple's values win. Raises `Unevaluable`.
        """
        said = {**asked, **json.loads(stored)} if stored else asked
        if missing := [name for name in self.parameters if name not in said]:
            raise Unevaluable(f"The condition `{self.name}` lacks {', '.join(f'`{name}`' for name in missing)}.")
        values = self.fitting(said)
        if not self._affordable(values):
            raise Unevaluable(f"To evaluate the condition `{self.name}` takes too long with these values.")
        try:
            result = self._program.eval(data=values)
            if result.type() == cel.Type.BOOL:
                return bool(result.value())
            fault = str(result.value())
        except RuntimeError as failed:
            fault = str(failed)
        raise Unevaluable(f"The condition `{self.name}` cannot be evaluated with these values.", detail=fault)

    def fitting(self, said: Mapping[str, Any]) -> dict[str, Any]:
        """The values of those parameters that are given, as CEL takes them. Raises `Unevaluable`."""
        values = {}
        for name, type_ in self.parameters.items():
            if name in said:
                try:
                    values[name] = type_.converted(said[name])
                except Unfit as unfit:
                    fault = f"`{name}` of the condition `{self.name}` must be {unfit}: its type is `{type_}`."
                    raise Unevaluable(fault) from None
        return values


def compiled(name: str, expression: str, parameters: Mapping[str, Any]) -> Condition:
    """A condition, ready to evaluate; `parameters` as in the JSON of a model: `{"type_name": ..., "generic_types": [...]}`.

    Raises `ConfigurationError` for an expression that is no CEL, names what is not declared, or is no bool.
    """
    types = {each: TypeRef.of_json(value) for each, value in parameters.items()}
    for each in types:
        if not _NAME.fullmatch(each):
            raise ConfigurationError(f"the condition `{name}` has a parameter that is no name: {each[:50]!r}")
    try:
        if len(expression.encode()) > LONGEST_EXPRESSION:
            raise ConfigurationError(f"the condition `{name}` is longer than {LONGEST_EXPRESSION} bytes")
        checked = _environment(types, checked=True).compile(expression)
        serialized = checked.serialize()
        running = _environment(types, checked=False)
        running.compile("true")  # before its first compilation an environment takes no time and no duration
        program = running.deserialize(serialized)
    except (RuntimeError, UnicodeEncodeError) as refused:
        raise ConfigurationError(f"the condition `{name}` is no CEL: {_shown(str(refused))}") from None
    if checked.return_type() != cel.Type.BOOL:
        raise ConfigurationError(
            f"the condition `{name}` is of the type {checked.return_type().name().lower()}, and not bool"
        )
    return Condition(name, expression, types, program, affordable(serialized, types))


def _environment(types: Mapping[str, TypeRef], *, checked: bool) -> cel.Env:
    """What an expression may name. The binding has no values of a type of one's own, so addresses run as bytes."""
    kind = IP_ADDRESS if checked else cel.Type.BYTES
    return cel.NewEnv(
        variables={name: type_.cel(checked=checked) for name, type_ in types.items()},
        functions=[
            cel.FunctionDecl(
                "ipaddress", [cel.Overload("string_to_ipaddress", kind, [cel.Type.STRING], impl=address)]
            ),
            cel.FunctionDecl(
                "in_cidr",
                [cel.Overload("ipaddr_in_cidr", cel.Type.BOOL, [kind, cel.Type.STRING], is_member=True, impl=_in_cidr)],
            ),
        ],
    )  # fmt: skip


_PREFIX: Final = re.compile(r"[^/%]+/(0|[1-9]\d{0,2})", re.ASCII)


def _in_cidr(one: bytes, cidr: str) -> bool:
    if not _PREFIX.fullmatch(cidr):
        raise ValueError("no CIDR")
    network, found = ip_network(cidr, strict=False), ip_address(one.decode())
    if isinstance(network, IPv6Network) and (mapped := network.network_address.ipv4_mapped) and network.prefixlen >= 96:
        network = ip_network((mapped, network.prefixlen - 96))
    return not getattr(found, "scope_id", None) and found in network


def _shown(fault: str) -> str:
    """The first of CEL's own words, from the line and column on."""
    return fault.partition("\n")[0].removeprefix("INVALID_ARGUMENT: ").removeprefix("ERROR: <input>:")[:200]
