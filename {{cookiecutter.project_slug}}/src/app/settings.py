"""Every value that differs between deploys, read from the environment, once, here and nowhere else (factor III)."""

import os
from typing import Any, Literal, TypeVar

from psycopg import pq
from pydantic import Field, FilePath, ValidationError, ValidationInfo, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from app.errors import ConfigurationError
from app.setting_types import Count, DrainSeconds, HttpUrl, LogLevel, PostgresUrl, Proxies, Seconds


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
            if 0 < shutdown_seconds < cls.model_fields["request_timeout_seconds"].default:
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


def known_variables(kind: type[BaseSettings]) -> list[str]:
    """The names of the environment variables that a settings class reads, in its own order."""
    return [name.upper() for name in kind.model_fields]


def environment_names() -> list[str]:
    """The names of all environment variables, whosever they are."""
    return list(os.environ)
