"""The application: settings, the only wiring, and the one layer that commands and the API call."""
