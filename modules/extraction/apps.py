"""Django's view of the control plane; composed by the host that has the modules' data."""

from __future__ import annotations

from django.apps import AppConfig


class ExtractionConfig(AppConfig):
    """Own label, alias and schema, so that its records stay where they are while modules move.

    Where PLACE_MODULES says so, calls and the bus go by the authority: after placement, whose way
    answers while the data is the monolith's.
    """

    name = "modules.extraction"
    label = "extraction"
    verbose_name = "Extraction"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        from django.conf import settings

        from modules.extraction.metrics.scraping import AtFirstScrape
        from modules.extraction.routing.installing import install
        from modules.extraction.shadowing.listening import Notebook, listen
        from modules.platform.observability.probes import add_collector

        add_collector(AtFirstScrape())
        if settings.PLACE_MODULES:
            install()
            listen(Notebook())
