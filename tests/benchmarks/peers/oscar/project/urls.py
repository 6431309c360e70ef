"""oscarapi under /api/."""

from django.http import HttpResponse
from django.urls import include, path

urlpatterns = [
    path("api/", include("oscarapi.urls")),
    # oscarapi names this address in every order and warns when there is none.
    path("pay/<int:pk>/", lambda request, pk: HttpResponse(status=404), name="api-payment"),
]
