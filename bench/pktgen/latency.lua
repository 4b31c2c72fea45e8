-- SPDX-License-Identifier: BSD-3-Clause
-- Round trips from this host through culvertd to a client and back, at rates below the highest one.
--
-- A latency packet has to come back. The client is a Linux host that dialled in with culvert-client
-- and echoes what comes to a UDP port: `culvert-bench sockets --reflect TUNNEL-ADDRESS:7`. Its own
-- time is in the figure: measure it alone first (client and this host on one cable). One-way figures
-- without that come from `culvert-bench dpdk`, which stamps what it sends.
--
--   CULVERT_POOL=10.0.0.2 CULVERT_RATES=1,5,10 pktgen ... -f latency.lua    POOL: the client's address

package.path = package.path .. ";?.lua;bench/pktgen/?.lua"

local culvert = require("culvert")
local s = culvert.settings()

s.sessions = 1
pktgen.screen("off")
culvert.prepare(s)
pktgen.set_ipaddr(s.port, "dst", culvert.format_ip(s.pool))
pktgen.set(s.port, "dport", 7)
print("size,rate_percent,tx_pps,rx_pps,latency")
for _, size in ipairs(s.sizes) do
	if size ~= "imix" then
		pktgen.set(s.port, "size", culvert.frame(size))
		for _, rate in ipairs(s.rates) do
			pktgen.latency(s.port, "enable")
			local r = culvert.run(s, rate)
			local stats = pktgen.pktStats(s.port)[tonumber(s.port)] or {}
			local words = {}

			-- The fields' names differ between Pktgen's versions: all of them are shown.
			for key, value in pairs(stats.latency or {}) do
				words[#words + 1] = key .. "=" .. tostring(value)
			end
			table.sort(words)
			pktgen.latency(s.port, "disable")
			print(string.format("%d,%g,%.0f,%.0f,%s", size, rate, r.tx_pps, r.rx_pps, table.concat(words, " ")))
		end
	end
end
