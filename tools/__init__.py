"""Helpers that run from the checkout and are no part of the package."""
