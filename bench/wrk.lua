-- wrk.lua - lookups of the ids in a file, one after the other; prints one line of figures at the end.
--
-- wrk ... -s wrk.lua URL -- TARGETS TOKEN
-- TARGETS: lines "run snapshot", database ids. The line: requests, seconds, p50 and p99 in
-- microseconds, answers that were not 2xx, socket errors.

local requests = {}
local next_request = 0

function init(arguments)
   local headers = { ["authorization"] = "Bearer " .. arguments[2] }
   for line in io.lines(arguments[1]) do
      local run, snapshot = line:match("^(%S+) (%S+)$")
      local path = "/engine/v1/worker-actions/runs/run_" .. run .. "/snapshots/since/snapshot_" .. snapshot
      requests[#requests + 1] = wrk.format("GET", path, headers)
   end
   next_request = math.random(#requests)
end

function request()
   next_request = next_request % #requests + 1
   return requests[next_request]
end

function done(summary, latency)
   local errors = summary.errors
   io.write(string.format("figures %d %.6f %.1f %.1f %d %d\n", summary.requests,
      summary.duration / 1e6, latency:percentile(50), latency:percentile(99), errors.status,
      errors.connect + errors.read + errors.write + errors.timeout))
end
