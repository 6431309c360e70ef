"""``/api/v1/schema``, the browsable ``/api/v1/docs`` and the codes at ``/api/v1/problems``."""

from __future__ import annotations

from drf_spectacular.renderers import OpenApiJsonRenderer, OpenApiYamlRenderer
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerView

from modules.platform.rest.codes import ProblemCodes, problem_codes
from modules.platform.rest.operation import ApiView, operation
from modules.platform.rest.requests import ApiRequest


class SchemaView(SpectacularAPIView):
    """The OpenAPI 3.1 document: JSON, or YAML where it is asked for."""

    renderer_classes = [OpenApiJsonRenderer, OpenApiYamlRenderer]
    authentication_classes = []


class DocsView(SpectacularSwaggerView):
    """The same document to read and try in a browser."""

    authentication_classes = []


class ProblemCodeList(ApiView):
    """Every problem code of the API, with its status and meaning."""

    module = "problems"

    @operation("List problem codes", returns=ProblemCodes)
    def get(self, request: ApiRequest) -> ProblemCodes:
        return problem_codes()


schema_view = SchemaView.as_view()
docs_view = DocsView.as_view(url_name="schema")
