"""Pictures of a study with matplotlib, each drawn on an Axes that is given or made, and returned.

`ct.plots.history(study)` makes a figure of its own: in a notebook the Axes' `figure` is shown, elsewhere
`ax.figure.savefig("history.png")` writes it. Nothing is drawn on pyplot's current figure. The extra `plots` brings
matplotlib: pip install 'cotune[plots]'.
"""

from cotune.plots.configs import contour, parallel, slice
from cotune.plots.course import edf, history, timeline
from cotune.plots.curves import curves
from cotune.plots.front import front
from cotune.plots.insights import dependence, importance

__all__ = [
    "contour",
    "curves",
    "dependence",
    "edf",
    "front",
    "history",
    "importance",
    "parallel",
    "slice",
    "timeline",
]
