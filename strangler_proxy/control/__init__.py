"""The admin listener: what is in force, how it goes, and how both are changed while traffic flows.

``fleet`` is the port it works against, ``listener`` what a process starts. Workers import only
``fleet``: they have no need of starlette and uvicorn.
"""
