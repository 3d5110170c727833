"""Policies in Cedar, evaluated by its own engine."""
