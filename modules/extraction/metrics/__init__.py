"""An extraction in numbers, for Prometheus: found out when somebody asks, not counted on the way.

Nothing here is counted by a process. A gauge that ``watch`` sets would stand still when ``watch``
dies, and that is when it matters; a counter would begin anew with each command. What the record and
the two databases know is asked for at each scrape instead, so that any web process of this host
answers the same, whoever else lives.

| file | asks |
|---|---|
| ``figures`` | nobody: names, labels and meanings, as data |
| ``recorded`` | the control plane's own tables: standing, steps, receipts |
| ``databases`` | the monolith's, the service's, and both together |
| ``ages`` | nobody: for how long the oldest change waits, from what was seen before |
| ``scraping`` | nobody: what a host registers |
| ``collecting`` | all of them at once, each in a thread of its own and within a short time |
"""
