"""All mutants, and the checks that have none."""

from . import backing_to_processes, codebase_to_config, image, manifests, parity_to_admin, ports_to_disposability

MUTANTS = (
    *codebase_to_config.MUTANTS,
    *backing_to_processes.MUTANTS,
    *ports_to_disposability.MUTANTS,
    *parity_to_admin.MUTANTS,
    *image.MUTANTS,
    *manifests.MUTANTS,
)

# Checks of the suite (factor, name without `test_`) for which there is none, each with the reason.
WITHOUT: dict[tuple[int, str], str] = {}
