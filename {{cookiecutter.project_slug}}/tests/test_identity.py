"""Who this is: name, version, commit."""

from importlib.metadata import version

from app.identity import SERVICE, build_commit, service_version


def test_the_name_is_the_distributions() -> None:
    assert service_version() == version(SERVICE)


def test_the_commit_is_known_or_said_to_be_unknown() -> None:
    commit = build_commit()

    assert commit == "unknown" or len(commit.removesuffix("-dirty")) >= 7
