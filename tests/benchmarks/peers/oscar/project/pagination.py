"""Pages by key, without a count: what our own lists do."""

from rest_framework.pagination import CursorPagination


class ById(CursorPagination):
    """Twenty at a time unless asked otherwise."""

    ordering = "id"
    page_size = 20
    page_size_query_param = "limit"
    max_page_size = 100
