"""Which methods an address takes: what 405 and OPTIONS have to say (RFC 9110, 9.3.7, 10.2.1 and 15.5.6)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from starlette.routing import BaseRoute, Match, Mount
from starlette.types import Scope

METHODS_OF_FOLDERS = ("GET", "HEAD")
"""What the framework takes in a folder of files, which is no route and names no methods itself."""


def methods_at(routes: Iterable[BaseRoute], scope: Scope) -> list[str]:
    """The methods that any route takes at the path of a request, in order; none where nothing is at this path.

    The framework names those of the first route that has the path; often another one has the same path for another method.
    """
    whole = {
        **scope,
        "root_path": scope.get("app_root_path", scope.get("root_path", "")),
    }  # not as a folder in it sees it
    return sorted({method for route in routes for method in _methods_of(route, whole)})


def _methods_of(route: BaseRoute, scope: Scope) -> Iterator[str]:
    match, _ = route.matches(scope)
    if match is not Match.NONE:
        yield from METHODS_OF_FOLDERS if isinstance(route, Mount) else getattr(route, "methods", None) or ()
