"""Options that many commands have."""

from typing import Annotated, Literal

from cyclopts import Parameter

Output = Annotated[Literal["table", "json"], Parameter(help="A table for people, or one JSON object for programs.")]
