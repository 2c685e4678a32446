"""The schema's history: revisions that expand first and contract a release later."""
