-- What wrk asks for, and what it found as one line of JSON.
--
-- Arguments: the bytes of the body to send (0: GET), then how many times and which path, any number of such pairs.
-- Several pairs are asked for in turn, over all connections together.

function init(args)
   local size = tonumber(args[1])
   if size > 0 then
      wrk.method = "POST"
      wrk.body = string.rep("x", size)
   end
   local turn = {}
   for place = 2, #args, 2 do
      local text = wrk.format(nil, args[place + 1])
      for _ = 1, tonumber(args[place]) do
         turn[#turn + 1] = text
      end
   end
   if #turn == 1 then
      wrk.path = args[3] -- wrk then formats it once, and calls no Lua for a request
      return
   end
   local last = 0
   function request()
      last = last % #turn + 1
      return turn[last]
   end
end

function done(summary, latency, requests)
   local errors = summary.errors
   io.write(string.format(
      '\nfound {"requests": %d, "microseconds": %d, "bytes": %d, "p50": %d, "p99": %d, "errors": '
         .. '{"connect": %d, "read": %d, "write": %d, "status": %d, "timeout": %d}}\n',
      summary.requests, summary.duration, summary.bytes, latency:percentile(50), latency:percentile(99),
      errors.connect, errors.read, errors.write, errors.status, errors.timeout))
end
