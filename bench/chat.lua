-- wrk: post one chat completion over and over; the last line of output is JSON for json_load.py.
local sentence = "The trade wind carries small ships over warm water to far ports. "
local prompt = string.rep(sentence, 16):sub(1, 1000)

wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer " .. os.getenv("BENCH_KEY")
for name, value in (os.getenv("BENCH_HEADERS") or ""):gmatch("([^:\n]+): ([^\n]+)") do
  wrk.headers[name] = value
end
wrk.body = '{"model":"' .. os.getenv("BENCH_MODEL") .. '","messages":[{"role":"user","content":"'
  .. prompt .. '"}],"temperature":0.2,"max_tokens":64}'

-- With BENCH_VARY no two prompts are the same: what was said of one is not known of the next.
if os.getenv("BENCH_VARY") then
  local number = 0
  local body = wrk.body
  request = function()
    number = number + 1
    return wrk.format(nil, nil, nil, (body:gsub("The trade", "The " .. number .. " trade", 1)))
  end
end

done = function(summary, latency)
  local errors = summary.errors
  print(string.format(
    '{"requests":%d,"duration_us":%d,"p50_us":%d,"p99_us":%d,"refused":%d,"broken":%d}',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99),
    errors.status, errors.connect + errors.read + errors.write + errors.timeout))
end
