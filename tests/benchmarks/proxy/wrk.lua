-- Sends prepared requests in turn and reports as one line of JSON.
-- Arguments: method, path, bytes of body, file with one "Authorization<TAB>X-User" a line or "-".
-- An "@" in the path is another number in each request.

init = function(arguments)
  local method, path, size, people = arguments[1], arguments[2], arguments[3], arguments[4]
  local body = nil
  local headers = {}
  if tonumber(size) > 0 then
    body = string.rep("b", tonumber(size))
    headers["Content-Type"] = "application/octet-stream"
  end
  local prepared = {}
  if people == "-" then
    prepared[1] = wrk.format(method, path, headers, body)
  else
    for line in io.lines(people) do
      headers["Authorization"], headers["X-User"] = line:match("^(.-)\t(.+)$")
      if headers["Authorization"] == "" then headers["Authorization"] = nil end
      prepared[#prepared + 1] = wrk.format(method, path, headers, body)
    end
  end
  local place = 0
  request = function()
    place = place % #prepared + 1
    return prepared[place]
  end
  if path:find("@") then
    local number, before, behind = 0, {}, {}
    for at, one in ipairs(prepared) do
      before[at], behind[at] = one:match("^(.-)@(.*)$")
    end
    request = function()
      place = place % #prepared + 1
      number = number + 1
      return before[place] .. number .. behind[place]
    end
  end
end

done = function(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '{"requests":%d,"microseconds":%d,"bytes":%d,"p50":%d,"p99":%d,"connect":%d,"read":%d,' ..
    '"write":%d,"status":%d,"timeout":%d}\n',
    summary.requests, summary.duration, summary.bytes, latency:percentile(50),
    latency:percentile(99), errors.connect, errors.read, errors.write, errors.status,
    errors.timeout))
end
