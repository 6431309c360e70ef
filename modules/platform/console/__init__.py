"""What manage.py commands are made of: a result on stdout, progress on stderr, exit codes."""

from modules.platform.console.command import CommandFailed, ConsoleCommand, Exit
from modules.platform.console.progress import Progress
from modules.platform.console.stopping import Stop, stop_by_signal

__all__ = ["CommandFailed", "ConsoleCommand", "Exit", "Progress", "Stop", "stop_by_signal"]
