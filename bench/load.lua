-- wrk calls these. Arguments: the file of order ids ("-" for none), and a JSON body ("-" for a GET).
local ids, body, next_id = {}, nil, 0

function init(arguments)
  if arguments[1] ~= "-" then
    for id in io.lines(arguments[1]) do ids[#ids + 1] = id end
  end
  if arguments[2] ~= "-" then
    wrk.method, wrk.body = "POST", arguments[2]
    wrk.headers["Content-Type"] = "application/json"
  end
end

function request()
  if #ids == 0 then return wrk.format() end
  next_id = next_id % #ids + 1
  return wrk.format(nil, wrk.path .. ids[next_id])
end

function done(summary, latency)
  local errors = summary.errors
  io.write(string.format(
    '\nRESULT {"requests": %d, "seconds": %.6f, "p50_ms": %.3f, "p99_ms": %.3f, "refused": %d, "broken": %d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(99) / 1e3,
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
