-- What the measurements of scripts/bench share: running commands, medians, and the table.
local M = {}

---Ends with a message.
function M.fail(format, ...)
  io.stderr:write("bench: ", string.format(format, ...), "\n")
  os.exit(1)
end

---Says on stderr what is being done.
function M.note(format, ...)
  io.stderr:write("bench: ", string.format(format, ...), "\n")
end

---The output of a command that must succeed.
function M.run(format, ...)
  local command = string.format(format, ...)
  local pipe = assert(io.popen(command))
  local text = pipe:read "a"
  if not pipe:close() then
    M.fail("failed: %s", command)
  end
  return text
end

function M.has(command)
  return os.execute(command .. " >/dev/null 2>&1") == true
end

function M.read(path)
  local file = assert(io.open(path))
  local text = file:read "a"
  file:close()
  return text
end

---The driver in this folder: a function that runs it and returns the numbers it printed.
function M.driver(folder)
  return function(format, ...)
    local numbers = {}
    for number in M.run(folder .. "/driver " .. format, ...):gmatch "%S+" do
      numbers[#numbers + 1] = tonumber(number)
    end
    return table.unpack(numbers)
  end
end

---The instructions that callgrind counts in a command, which is one process.
function M.instructions(folder, command)
  local text = M.run("valgrind --tool=callgrind --callgrind-out-file=%s/callgrind.out %s 2>&1 >/dev/null", folder, command)
  return tonumber(text:match "Collected : (%d+)") or M.fail("no figure from callgrind:\n%s", text)
end

function M.median(values)
  local sorted = table.move(values, 1, #values, 1, {})
  table.sort(sorted)
  return sorted[(#sorted + 1) // 2]
end

---Medians of the rounds' quotients a[r] / b[r].
function M.ratio(a, b)
  local quotients = {}
  for r = 1, #a do
    quotients[r] = a[r] / b[r]
  end
  return M.median(quotients)
end

-- What figures are scaled to: a machine on which the bare loop (bare_echo.lua) does so many messages per second.
local REFERENCE = 440000

---The bare loop: replies per second by the clock, and per second of its processor time.
function M.bare_loop(driver, requests)
  local lines, seconds, cpu = driver("pump %s lua5.4 tests/bench/bare_echo.lua", requests)
  return lines / seconds, lines / cpu
end

---Median of rates, each scaled with what the loop did in its round.
function M.scale_rates(values, loop)
  return REFERENCE * M.ratio(values, loop)
end

---The same of times.
function M.scale_times(values, loop)
  local scaled = {}
  for r = 1, #values do
    scaled[r] = values[r] * loop[r] / REFERENCE
  end
  return M.median(scaled)
end

function M.number(value)
  if not value then
    return "-"
  end
  return string.format(value >= 1000 and "%.0f" or value >= 10 and "%.1f" or "%.2f", value)
end

---"ok" or "below", or nothing if there was no bar.
function M.verdict(ok)
  return ok == nil and "" or ok and "ok" or "below"
end

---Prints rows of cells in columns; `right` holds the columns that are set to the right.
function M.print_table(lines, right)
  local widths = {}
  for _, cells in ipairs(lines) do
    for column, cell in ipairs(cells) do
      widths[column] = math.max(widths[column] or 0, #cell)
    end
  end
  for _, cells in ipairs(lines) do
    local padded = {}
    for column, cell in ipairs(cells) do
      padded[column] = string.format("%" .. (right[column] and "" or "-") .. widths[column] .. "s", cell)
    end
    print((table.concat(padded, "  "):gsub("%s+$", "")))
  end
end

return M
