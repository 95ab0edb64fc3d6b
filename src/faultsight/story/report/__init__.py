"""The page of the story: `page` puts it together, of a file for each section."""

from faultsight.story.report.page import render_story
from faultsight.story.report.told import Told, tell

__all__ = ["Told", "render_story", "tell"]
