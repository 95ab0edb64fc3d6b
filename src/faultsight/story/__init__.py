"""The story that `faultsight demo` tells: a simulated provider, watched for two weeks.

Read in this order: `provider` is what is simulated and what is true of it; `arrange` makes a state
folder and its feeds; `played_operator` answers as the truth says; `run` lives through the weeks
with the loop that the service runs; `figures` compares with the truth; `incidents` chooses three to
tell; `report` writes the page.
"""

from faultsight.story.provider import Provider, ProviderConfig, simulate_provider
from faultsight.story.run import Lived, live_through

__all__ = ["Lived", "Provider", "ProviderConfig", "live_through", "simulate_provider"]
