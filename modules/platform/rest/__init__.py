"""The edge: HTTP to contract types and back. A view parses, calls its service and renders."""

from modules.platform.rest.access import Access, anybody, identified, scope, signed_in
from modules.platform.rest.answers import Answer
from modules.platform.rest.identifiers import ids
from modules.platform.rest.operation import ApiView, Operation, operation
from modules.platform.rest.pagination import ListQuery, Page, Query, keyset
from modules.platform.rest.problems import FieldError, Problem
from modules.platform.rest.requests import ApiRequest

__all__ = [
    "Access",
    "Answer",
    "ApiRequest",
    "ApiView",
    "FieldError",
    "ListQuery",
    "Operation",
    "Page",
    "Problem",
    "Query",
    "anybody",
    "identified",
    "ids",
    "keyset",
    "operation",
    "scope",
    "signed_in",
]
