"""The REST API under ``/api/v1``; it speaks to the application layer alone."""
