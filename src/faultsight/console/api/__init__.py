"""One file per resource, each with its ``routes``; a new file is found by itself."""
