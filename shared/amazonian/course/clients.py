"""Clients that labs use if the machine has them."""

import shutil

from amazonian.course.catalogue import ROOT


def aws_cli() -> str | None:
    """The path of the AWS CLI: the machine's own, or the one that `make test` installs."""
    tested = ROOT / ".venv" / "clients" / "bin" / "aws"
    return shutil.which("aws") or (str(tested) if tested.exists() else None)
