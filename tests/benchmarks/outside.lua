-- wrk's half of `outside.py`: requests from a file, in order, and every answer read.
local parts = {}

function setup(thread)
   table.insert(parts, thread)
end

function init(args)
   local file = assert(io.open(args[1], "rb"))
   requests, at, right, wrong = {}, 0, 0, 0
   for line in file:lines() do
      table.insert(requests, file:read(tonumber(line)))
   end
   file:close()
end

function request()
   at = at + 1
   if at >= #requests then
      wrk.thread:stop()
   end
   return requests[math.min(at, #requests)]
end

function response(status, headers, body)
   if status >= 200 and status < 300 and body:find('"status_code"%s*:%s*1000%D') then
      right = right + 1
   else
      wrong = wrong + 1
   end
end

function done(summary, latency, requests)
   local counted = { right = 0, wrong = 0 }
   for _, thread in ipairs(parts) do
      counted.right = counted.right + thread:get("right")
      counted.wrong = counted.wrong + thread:get("wrong")
   end
   io.write(string.format("\ncounted %d %d %d %d %d\n", counted.right, counted.wrong,
      summary.duration, latency:percentile(50), latency:percentile(99)))
end
