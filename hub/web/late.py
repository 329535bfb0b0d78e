"""Routes that are looked at closely when somebody asks for them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from fastapi.routing import APIRoute
from starlette.routing import compile_path, get_name


class LateRoute(APIRoute):
    """A route of which only the path and the methods are known at first.

    Parameters, models and answers of one route take the framework a millisecond to work out, and the hub has nearly three hundred:
    that is done for each when it is first asked for, and for all of them when `/openapi.json` is. What is wrong with a route shows
    then, too; tests/web/test_late.py looks at every one.
    """

    def __init__(self, path: str, endpoint: Callable[..., Any], **options: Any) -> None:
        self._work_out: Callable[[], None] | None = partial(super().__init__, path, endpoint, **options)
        self.path, self.endpoint = path, endpoint
        self.path_regex, self.path_format, self.param_convertors = compile_path(path)
        self.name: str = options.get("name") or get_name(endpoint)
        self.methods = {method.upper() for method in options.get("methods") or ["GET"]}
        self.include_in_schema: bool = options.get("include_in_schema", True)

    def __getattr__(self, name: str) -> Any:
        """What was not worked out yet; Python asks here for what it does not find."""
        work_out = self.__dict__.get("_work_out")
        if work_out is None:
            raise AttributeError(f"{type(self).__name__} has no {name}")
        self._work_out = None
        work_out()
        return getattr(self, name)
