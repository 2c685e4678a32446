"""A twelve-factor service: one codebase, one artefact, several process types. Importing it does nothing."""
