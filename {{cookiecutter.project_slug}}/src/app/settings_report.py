"""What an operator wants to know of the settings: what there is to set, what is set, what looks misspelt."""

from difflib import SequenceMatcher

from pydantic.fields import FieldInfo

from app.settings import SeedSettings, Settings, environment_names, known_variables
from app.urls import without_password

MISSPELT_SIMILARITY = 0.85  # of SequenceMatcher; below it, names that Kubernetes injects start to match


def misspelt_variables() -> dict[str, str]:
    """Environment variables that look like one of ours written wrongly, each with the name that was probably meant."""
    known = [*known_variables(Settings), *known_variables(SeedSettings)]
    meant = {
        name: max(known, key=lambda candidate: _similarity(name, candidate))
        for name in environment_names()
        if name not in known
    }
    return {name: candidate for name, candidate in meant.items() if _similarity(name, candidate) >= MISSPELT_SIMILARITY}


def _similarity(one: str, other: str) -> float:
    return SequenceMatcher(None, one.upper(), other).ratio()


def describe_settings() -> list[tuple[str, str, str]]:
    """Every variable as (name, default, meaning), for the documentation; `required` where there is no default."""
    return [
        (name.upper(), _shown_default(field), field.description or "")
        for kind in (Settings, SeedSettings)
        for name, field in kind.model_fields.items()
    ]


def settings_table() -> str:
    """Every variable as a table in Markdown: the README's is this one."""
    rows = [f"| {name} | {default} | {meaning} |" for name, default, meaning in describe_settings()]
    return "\n".join(["| variable | default | meaning |", "|---|---|---|", *rows])


def _shown_default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    default = field.default
    return "–" if default is None else f"{default:g}" if isinstance(default, float) else str(default)


def shown_values(settings: Settings) -> dict[str, str]:
    """The effective values by variable, as an operator may see them: URLs come without their passwords."""
    values = settings.model_dump()
    values["database_url"] = without_password(settings.database_url.get_secret_value())
    values["fulfilment_url"] = settings.fulfilment_url and without_password(settings.fulfilment_url)
    return {name.upper(): "" if value is None else str(value) for name, value in values.items()}
