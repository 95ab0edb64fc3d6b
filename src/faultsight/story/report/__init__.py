"""The page of the story: `page` puts it together, a file for each section, `style.css` dresses it."""

from faultsight.story.report.page import render_story
from faultsight.story.report.told import Told, tell

__all__ = ["Told", "render_story", "tell"]
