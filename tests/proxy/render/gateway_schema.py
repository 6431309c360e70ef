"""What the Gateway API (v1, standard channel) takes of what is rendered for it.

Written down from its reference, for these kinds and fields only, and closed: a field that is not
here is a mistake. ``rule_findings`` are the rules that concern several fields.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

Json = dict[str, Any]

LABEL = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"
SUBDOMAIN = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
HOST = r"^(\*\.)?[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$"
HEADER = r"^[A-Za-z0-9!#$%&'*+\-.^_`|~]+$"
PATH = r"^/(?:[-A-Za-z0-9/._~!$&'()*+,;=:@]|%[0-9a-fA-F]{2})*$"
DURATION = r"^([0-9]{1,5}(h|m|s|ms)){1,4}$"
METHODS = ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"]


def _object(required: str = "", **properties: Any) -> Json:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": required.split(),
        "properties": properties,
    }


def _list(items: Json, most: int = 16, least: int = 0) -> Json:
    return {"type": "array", "items": items, "maxItems": most, "minItems": least}


def _text(pattern: str, longest: int = 253) -> Json:
    return {"type": "string", "pattern": pattern, "minLength": 1, "maxLength": longest}


PORT: Json = {"type": "integer", "minimum": 1, "maximum": 65535}
PERCENT: Json = {"type": "integer", "minimum": 0, "maximum": 100}
NAME = _text(SUBDOMAIN)
LOCAL = _object("name", name=NAME)
FIELDS = _list(_object("name value", name=_text(HEADER, 256), value=_text(r"^[\s\S]+$", 4096)))
MODIFIER = _object(set=FIELDS, add=FIELDS, remove=_list(_text(HEADER, 256)))
OBJECT_REFERENCE = _object(
    "group kind name", group={"const": ""}, kind={"enum": ["ConfigMap", "Service"]}, name=NAME
)
BACKEND = {"name": NAME, "namespace": _text(LABEL, 63), "port": PORT}
REWRITE = _object(
    "type",
    type={"enum": ["ReplaceFullPath", "ReplacePrefixMatch"]},
    replaceFullPath=_text("^/", 1024),
    replacePrefixMatch=_text("^/", 1024),
)
FILTER: Json = {
    "oneOf": [
        _object(
            "type requestHeaderModifier",
            type={"const": "RequestHeaderModifier"},
            requestHeaderModifier=MODIFIER,
        ),
        _object(
            "type responseHeaderModifier",
            type={"const": "ResponseHeaderModifier"},
            responseHeaderModifier=MODIFIER,
        ),
        _object(
            "type requestMirror",
            type={"const": "RequestMirror"},
            requestMirror=_object(
                "backendRef", backendRef=_object("name port", **BACKEND), percent=PERCENT
            ),
        ),
        _object("type urlRewrite", type={"const": "URLRewrite"}, urlRewrite=_object(path=REWRITE)),
    ]
}
MATCH = _object(
    path=_object("type value", type={"enum": ["Exact", "PathPrefix"]}, value=_text(PATH, 1024)),
    method={"enum": METHODS},
)
WEIGHT: Json = {"type": "integer", "minimum": 0, "maximum": 1_000_000}
RULE = _object(
    "matches",
    matches=_list(MATCH, 64, 1),
    filters=_list(FILTER),
    backendRefs=_list(_object("name port", **BACKEND, weight=WEIGHT)),
    timeouts=_object(request=_text(DURATION)),
)
TRUST = _object(
    "validation", validation=_object("caCertificateRefs", caCertificateRefs=_list(OBJECT_REFERENCE))
)
SPECS: dict[str, Json] = {
    "Gateway": _object(
        "gatewayClassName listeners",
        gatewayClassName=NAME,
        listeners=_list(
            _object(
                "name port protocol",
                name=NAME,
                port=PORT,
                protocol={"enum": ["HTTP", "HTTPS"]},
                tls=_object(
                    "certificateRefs",
                    mode={"const": "Terminate"},
                    certificateRefs=_list(LOCAL, 64, 1),
                ),
            ),
            64,
            1,
        ),
        tls=_object(
            frontend=_object(
                "default",
                default=TRUST,
                perPort=_list(_object("port tls", port=PORT, tls=TRUST), 64),
            )
        ),
    ),
    "HTTPRoute": _object(
        "parentRefs rules",
        parentRefs=_list(LOCAL, 32, 1),
        hostnames=_list(_text(HOST)),
        rules=_list(RULE, 16, 1),
    ),
    "BackendTLSPolicy": _object(
        "targetRefs validation",
        targetRefs=_list(OBJECT_REFERENCE, 16, 1),
        validation=_object(
            "hostname",
            hostname=NAME,
            caCertificateRefs=_list(OBJECT_REFERENCE, 8),
            wellKnownCACertificates={"const": "System"},
        ),
    ),
}


def rule_findings(resource: Json) -> Iterator[str]:
    """What is wrong with fields that belong together."""
    spec = resource.get("spec", {})
    if resource["kind"] == "Gateway":
        yield from _listeners(spec)
    if resource["kind"] == "HTTPRoute":
        if sum(len(rule["matches"]) for rule in spec["rules"]) >= 128:
            yield "too many matches"
        for rule in spec["rules"]:
            yield from _rule(rule)


def _listeners(spec: Json) -> Iterator[str]:
    listeners = spec["listeners"]
    for one in listeners:
        if ("tls" in one) != (one["protocol"] == "HTTPS"):
            yield f"{one['name']}: tls and protocol do not fit"
    sockets = Counter((one["port"], one["protocol"]) for one in listeners)
    if max(sockets.values()) > 1:
        yield "two listeners of one port and protocol"


def _rule(rule: Json) -> Iterator[str]:
    kinds = Counter(one["type"] for one in rule.get("filters", ()))
    for kind, count in kinds.items():
        if count > 1 and kind != "RequestMirror":
            yield f"{kind} cannot be repeated"
    for match in rule["matches"]:
        value = match["path"]["value"]
        if "//" in value or "/../" in value or "/./" in value:
            yield f"{value} is no path"
    for one in rule.get("filters", ()):
        path = one.get("urlRewrite", {}).get("path", {})
        if path.get("type") == "ReplacePrefixMatch":
            single = len(rule["matches"]) == 1
            if not single or rule["matches"][0]["path"]["type"] != "PathPrefix":
                yield "a prefix is replaced where not exactly one is matched"
