"""What a setting may be: types with units and bounds, for `app.settings`."""

from ipaddress import ip_network
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from app.urls import check_http_url, check_postgres_url


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
