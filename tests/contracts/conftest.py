"""``way``: every suite of a port runs direct, through the codec, over HTTP and over gRPC, both of
which do harm.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from modules.platform.binding import CodecRoute, LocalRoute
from tests.contracts.hosted import Hosted, hosted
from tests.contracts.over_grpc import OverGrpc
from tests.contracts.ways import WAYS, InProcess, OverHttp, Way


@pytest.fixture(scope="session")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosted]:
    """One for all suites; it answers whatever is bound when it is asked."""
    with hosted(tmp_path_factory.mktemp("host")) as running:
        yield running


@pytest.fixture(params=(*WAYS, "grpc"))
def way(request: pytest.FixtureRequest) -> Iterator[Way]:
    """How the port's caller reaches it."""
    if request.param == "http":
        over_http = OverHttp(request.getfixturevalue("host"))
        yield over_http
        over_http.close()
    elif request.param == "grpc":
        yield OverGrpc(request.getfixturevalue("host"))
    else:
        yield InProcess(LocalRoute if request.param == "direct" else CodecRoute)
