"""A study as one page for a browser: self-contained, complete without scripts, a pure function of the history."""

from cotune.report.page import Subject, page

__all__ = ["Subject", "page"]
