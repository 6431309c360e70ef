"""The operators' side: one base class for every module's admin pages."""
