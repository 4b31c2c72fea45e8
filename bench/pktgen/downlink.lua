-- SPDX-License-Identifier: BSD-3-Clause
-- Downlink: this host sends into culvertd's core port, to the addresses of sessions that
-- `culvert-bench dpdk` holds up on the access side. Every size at every rate, one line each.
--
--   cd bench/pktgen
--   CULVERT_MAC=... CULVERT_SESSIONS=64 pktgen -l 0-2 -a 0000:01:00.0 -- -P -m "[1:2].0" -f downlink.lua
--
-- What this side sent is one half of the truth. What came of it is in culvertd's own counters (`rx_core`,
-- `fwd_down`, `session_tx_queue_drop`, its busy cycles) and in those of culvert-bench's port.

package.path = package.path .. ";?.lua;bench/pktgen/?.lua"

local culvert = require("culvert")
local s = culvert.settings()
local out = s.out and assert(io.open(s.out, "w"))

local function say(line)
	print(line)
	if out then
		out:write(line, "\n")
		out:flush()
	end
end

pktgen.screen("off")
culvert.prepare(s)
say(culvert.header())
for _, size in ipairs(s.sizes) do
	local mean = size == "imix" and culvert.by_sequence(s) or culvert.by_range(s, size)

	for _, rate in ipairs(s.rates) do
		say(culvert.row(size, mean, rate, culvert.run(s, rate)))
	end
end
pktgen.set_range(s.port, "off")
pktgen.set(s.port, "seq_cnt", 0)
if out then
	out:close()
end
