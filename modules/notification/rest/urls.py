"""Addresses under ``/api/v1/notification``."""

from __future__ import annotations

from django.urls import path

from modules.notification.rest import pages, staff, views

urlpatterns = [
    path("/messages", views.MessagesView.as_view()),
    path("/messages/<msg:message_id>", views.MessageView.as_view()),
    path("/messages/<msg:message_id>/retry", views.MessageRetryView.as_view()),
    path("/preferences", views.PreferencesView.as_view()),
    path("/unsubscribe", views.UnsubscribeView.as_view()),
    path("/unsubscribe/page", pages.UnsubscribePage.as_view(), name="unsubscribe-page"),
    path("/templates", staff.TemplatesView.as_view()),
    path("/templates/<tpl:template_id>", staff.TemplateView.as_view()),
    path("/templates/<tpl:template_id>/preview", staff.TemplatePreviewView.as_view()),
    path("/webhook-endpoints", staff.EndpointsView.as_view()),
    path("/webhook-endpoints/<wep:endpoint_id>", staff.EndpointView.as_view()),
]
