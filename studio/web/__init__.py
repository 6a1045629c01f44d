"""The studio in the browser: pages for people and the same as JSON under `/api/v1`."""
