"""What manage.py commands are made of: a result on stdout, progress on stderr, exit codes."""

from modules.platform.console.command import CommandFailed, ConsoleCommand, Exit
from modules.platform.console.progress import Progress

__all__ = ["CommandFailed", "ConsoleCommand", "Exit", "Progress"]
