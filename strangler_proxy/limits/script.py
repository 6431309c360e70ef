"""The algorithm of ``limits`` as a script that Redis runs at once and alone; what it is asked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from strangler_proxy.limits.local import Bundle, Verdict, network

PREFIX = "ficus:limit"

# KEYS: one for each limit of each request. ARGV: for each request, how many limits it has, then
# rate, quota and ceiling of each (see limits.Limit). Answers for each request whether it is
# counted, then what is used of each of its limits with it.
# Seconds are counted from 2025, which leaves more digits for their fractions.
# A number from the future, left by a clock that was set back, is cut to a full quota.
SCRIPT = """
local time = redis.call('TIME')
local now = time[1] - 1735689600 + time[2] / 1000000
local answer, key, at = {}, 0, 1
while at <= #ARGV do
  local count, verdict, full, alive = tonumber(ARGV[at]), #answer + 1, {}, {}
  answer[verdict] = 1
  for i = 1, count do
    local rate, quota = tonumber(ARGV[at + 3 * i - 2]), tonumber(ARGV[at + 3 * i - 1])
    local level = now * rate
    local known = tonumber(redis.call('GET', KEYS[key + i]) or level)
    full[i] = math.max(level, math.min(known, level + quota)) + 1
    local used = full[i] - level
    if used > tonumber(ARGV[at + 3 * i]) then answer[verdict] = 0 end
    answer[verdict + i] = string.format('%.17g', used)
    alive[i] = math.ceil(used / rate * 1000) + 1
  end
  if answer[verdict] == 1 then
    for i = 1, count do
      redis.call('SET', KEYS[key + i], string.format('%.17g', full[i]), 'PX', alive[i])
    end
  end
  key, at = key + count, at + 3 * count + 1
end
return answer
"""


@dataclass(slots=True)
class Question:
    """One request, as the script is asked about it."""

    bundle: Bundle
    keys: list[str]

    @classmethod
    def about(cls, bundle: Bundle, subject: str | None, address: str) -> Question:
        """A limit whose numbers were changed is another key."""
        place = network(address)
        keys = []
        for limit in bundle.limits:
            whom = f"a:{place}" if subject is None or limit.by_address else f"i:{subject}"
            keys.append(f"{PREFIX}:{limit.name}:{limit.quota}:{limit.settings.seconds!r}:{whom}")
        return cls(bundle, keys)


def keys_and_arguments(questions: Iterable[Question]) -> tuple[list[str], list[str | int]]:
    """What the script is called with."""
    keys: list[str] = []
    arguments: list[str | int] = []
    for question in questions:
        keys += question.keys
        arguments.append(len(question.keys))
        for limit in question.bundle.limits:
            arguments += (repr(limit.rate), limit.quota, repr(limit.ceiling))
    return keys, arguments


def verdicts(questions: Iterable[Question], answer: Sequence[bytes | int]) -> list[Verdict]:
    """What the script's answer means, in the order of the questions."""
    found, at = [], 0
    for question in questions:
        bundle = question.bundle
        end = at + 1 + len(question.keys)
        used = [float(each) for each in answer[at + 1 : end]]
        found.append(bundle.allow(bundle.shown(used)) if answer[at] else bundle.refuse(used))
        at = end
    return found
