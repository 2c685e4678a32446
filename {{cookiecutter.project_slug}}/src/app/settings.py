"""Every value that differs between deploys, read from the environment, once, here and nowhere else (factor III)."""

import os
from difflib import SequenceMatcher
from ipaddress import ip_network
from typing import Annotated, Any, Literal, TypeVar

from psycopg import pq
from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    FilePath,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from app.errors import ConfigurationError
from app.urls import check_http_url, check_postgres_url, without_password

MISSPELT_SIMILARITY = 0.85  # of SequenceMatcher; below it, names that Kubernetes injects start to match


def _check_proxies(value: str) -> str:
    if value != "*":
        for network in value.split(","):
            try:
                ip_network(network.strip())
            except ValueError:
                raise ValueError("must be `*` or a comma-separated list of IP addresses and networks") from None
    return value


def _check_secret_url(value: SecretStr) -> SecretStr:
    check_postgres_url(value.get_secret_value())
    return value


PostgresUrl = Annotated[SecretStr, AfterValidator(_check_secret_url)]
HttpUrl = Annotated[str, AfterValidator(check_http_url)]
Proxies = Annotated[str, AfterValidator(_check_proxies)]
LogLevel = Annotated[Literal["debug", "info", "warning", "error"], BeforeValidator(lambda v: str(v).lower())]
Seconds = Annotated[float, Field(gt=0, le=86_400, allow_inf_nan=False)]
DrainSeconds = Annotated[float, Field(ge=0, le=86_400, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1, le=10_000)]


class _FromEnvironment(BaseSettings):
    """Values come from environment variables named exactly like the field, in capitals: no file, no alias."""

    model_config = SettingsConfigDict(alias_generator=str.upper, case_sensitive=True, extra="ignore", frozen=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Leave out `.env` files and secret folders, which would make the working directory a second configuration."""
        return init_settings, env_settings

    @field_validator("*", mode="before")
    @classmethod
    def _refuse_empty(cls, value: object) -> object:
        if value == "":
            raise ValueError("is empty; unset it to get the default")
        return value


AnySettings = TypeVar("AnySettings", bound=_FromEnvironment)


class Settings(_FromEnvironment):
    """The service's settings; the field's description is its documentation (`app config --schema`)."""

    port: int = Field(8000, ge=1, le=65535, description="TCP port of `web`")
    host: str = Field("0.0.0.0", description="address that `web` listens on")  # noqa: S104  # a container's
    database_url: PostgresUrl = Field(description="`postgres://` or `postgresql://user:password@host:port/name`")
    database_password_file: FilePath | None = Field(
        None, description="file with the password, read at every new connection: a rotated one needs no restart"
    )
    database_pool_size: Count = Field(10, description="connections per `web` process; a worker has 4 more")
    database_timeout_seconds: Seconds = Field(
        5.0, description="limit of one unit of work: pool, connect, statements, commit; `migrate` is exempt"
    )
    web_concurrency: Count = Field(1, description="processes of one `web`")
    worker_concurrency: Count = Field(10, description="jobs at once in one `worker`")
    request_concurrency: Count = Field(100, description="requests in progress per process; more get 503, probes exempt")
    drain_seconds: DrainSeconds = Field(5.0, description="after SIGTERM: unready, but still serving, for this long")
    shutdown_seconds: Seconds = Field(20.0, description="then the limit for requests or jobs in progress")
    request_max_bytes: int = Field(1_048_576, ge=1, description="limit of a request's body; more gets 413")
    request_timeout_seconds: Seconds = Field(
        15.0, description="limit of one request; more gets 504. Not above SHUTDOWN_SECONDS, which lowers the default"
    )
    forwarded_allow_ips: Proxies = Field("127.0.0.1", description="proxies whose X-Forwarded-* headers are believed")
    log_level: LogLevel = Field("info", description="verbosity, nothing else: debug, info, warning, error")
    fulfilment_url: HttpUrl | None = Field(
        None, description="attached HTTP service that fulfils orders; unset: done by this service itself"
    )
    release: str = Field("unreleased", max_length=200, description="id of this release (build + config)")

    @model_validator(mode="before")
    @classmethod
    def _lower_default_request_timeout(cls, values: dict[str, Any]) -> dict[str, Any]:
        """A request may last as long as a stop waits for it; the default follows a shorter SHUTDOWN_SECONDS."""
        if "SHUTDOWN_SECONDS" in values and "REQUEST_TIMEOUT_SECONDS" not in values:
            try:
                shutdown_seconds = float(values["SHUTDOWN_SECONDS"])
            except ValueError:
                return values  # the field's own validation says so
            if shutdown_seconds < cls.model_fields["request_timeout_seconds"].default:
                return values | {"REQUEST_TIMEOUT_SECONDS": values["SHUTDOWN_SECONDS"]}
        return values

    @field_validator("request_timeout_seconds")
    @classmethod
    def _fits_shutdown(cls, value: float, info: ValidationInfo) -> float:
        if value > info.data.get("shutdown_seconds", value):
            raise ValueError("is above SHUTDOWN_SECONDS: a stop would cut requests that are still within their limit")
        return value


class SeedSettings(_FromEnvironment):
    """Settings of the one-off `seed`, an admin process with a configuration of its own."""

    seed_orders: int = Field(10, ge=1, le=1_000_000, description="`seed`: how many example orders to place")
    seed_confirm: Literal["yes"] | None = Field(
        None, description="`seed`: `yes` seeds a database that already holds other orders"
    )


def load_settings(kind: type[AnySettings]) -> AnySettings:
    """Read the environment; raise `ConfigurationError` with the name and the reason of every bad variable.

    Values are never repeated: pydantic's own message prints its input, and the input may be a secret.
    """
    try:
        return kind()
    except ValidationError as error:
        problems = {str(e["loc"][0]) if e["loc"] else "?": _reason(e["type"], e["msg"]) for e in error.errors()}
        raise ConfigurationError(problems) from None


def _reason(kind: str, message: str) -> str:
    return "is required and missing" if kind == "missing" else message.removeprefix("Value error, ")


def read_release() -> str:
    """The release for events that come before the settings are known to be valid."""
    return os.environ.get("RELEASE") or "unreleased"


def forget_libpq_variables() -> None:
    """Drop PGHOST, PGPASSWORD, PGOPTIONS, … so that DATABASE_URL alone says which database this is.

    libpq fills whatever a URL leaves out from variables of its own, which nobody declared here.
    """
    for option in pq.Conninfo.get_defaults():
        if option.envvar:
            os.environ.pop(option.envvar.decode(), None)


def misspelt_variables() -> dict[str, str]:
    """Environment variables that look like one of ours written wrongly, each with the name that was probably meant."""
    known = [*known_variables(Settings), *known_variables(SeedSettings)]
    meant = {
        name: max(known, key=lambda candidate: _similarity(name, candidate)) for name in os.environ if name not in known
    }
    return {name: candidate for name, candidate in meant.items() if _similarity(name, candidate) >= MISSPELT_SIMILARITY}


def known_variables(kind: type[BaseSettings]) -> list[str]:
    """The names of the environment variables that a settings class reads, in its own order."""
    return [name.upper() for name in kind.model_fields]


def _similarity(one: str, other: str) -> float:
    return SequenceMatcher(None, one.upper(), other).ratio()


def describe_settings() -> list[tuple[str, str, str]]:
    """Every variable as (name, default, meaning), for the documentation; `required` where there is no default."""
    return [
        (name.upper(), _shown_default(field), field.description or "")
        for kind in (Settings, SeedSettings)
        for name, field in kind.model_fields.items()
    ]


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
