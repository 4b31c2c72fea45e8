-- SPDX-License-Identifier: BSD-3-Clause
-- What the Pktgen scripts share: their settings, address arithmetic, packet sizes, one measured run.
-- Loaded by them; docs/benchmarking.md has the topology and the steps.
--
-- Every setting can be given in the environment that Pktgen is started with:
--
--   CULVERT_PORT       Pktgen's port that faces culvertd's core port (0)
--   CULVERT_MAC        MAC address of culvertd's core port; arp: ask for it (arp)
--   CULVERT_CORE       address of culvertd's core port (198.51.100.1)
--   CULVERT_SELF       this host's address on the core side, with prefix (198.51.100.254/24)
--   CULVERT_POOL       first address of the sessions (10.0.0.2)
--   CULVERT_SESSIONS   how many sessions are up: destinations are POOL .. POOL + SESSIONS - 1 (64)
--   CULVERT_SIZES      inner IP packet sizes, or imix (64,256,512,1400,imix)
--   CULVERT_RATES      per cent of the port's line rate, one run each (1,5,10,25,50,100)
--   CULVERT_SECONDS    of each run (10)
--   CULVERT_OUT        the table goes here as well, as CSV (none)

local M = {}

-- What a frame has around an IP packet: Ethernet header and, in Pktgen's sizes, the checksum behind.
M.ETHER = 14 + 4
M.MIN_FRAME = 64
-- On the wire there are preamble, start and gap besides.
M.WIRE = 20
-- Simple IMIX: 7 small, 4 middle, 1 large.
M.IMIX = { 64, 64, 64, 64, 64, 64, 64, 576, 576, 576, 576, 1400 }

function M.parse_ip(text)
	local a, b, c, d = tostring(text):match("^(%d+)%.(%d+)%.(%d+)%.(%d+)$")
	assert(a, "'" .. tostring(text) .. "' is no IPv4 address")
	local n = 0
	for _, octet in ipairs({ a, b, c, d }) do
		octet = tonumber(octet)
		assert(octet <= 255, "'" .. text .. "' is no IPv4 address")
		n = n * 256 + octet
	end
	return n
end

function M.format_ip(n)
	return string.format("%d.%d.%d.%d", (n >> 24) & 255, (n >> 16) & 255, (n >> 8) & 255, n & 255)
end

local function list(text)
	local items = {}
	for item in text:gmatch("[^,%s]+") do
		items[#items + 1] = tonumber(item) or item
	end
	assert(#items > 0, "an empty list: '" .. text .. "'")
	return items
end

local function number(name, default, least, most)
	local text = os.getenv(name)
	local n = text and tonumber(text) or default
	assert(n and n >= least and n <= most, name .. ": found '" .. tostring(text) .. "', expected a number")
	return n
end

-- The settings, checked. Errors stop the script with the reason.
function M.settings()
	local s = {
		port = string.format("%d", number("CULVERT_PORT", 0, 0, 31)),
		mac = os.getenv("CULVERT_MAC") or "arp",
		core = os.getenv("CULVERT_CORE") or "198.51.100.1",
		self = os.getenv("CULVERT_SELF") or "198.51.100.254/24",
		pool = M.parse_ip(os.getenv("CULVERT_POOL") or "10.0.0.2"),
		sessions = number("CULVERT_SESSIONS", 64, 1, 1 << 24),
		sizes = list(os.getenv("CULVERT_SIZES") or "64,256,512,1400,imix"),
		rates = list(os.getenv("CULVERT_RATES") or "1,5,10,25,50,100"),
		seconds = number("CULVERT_SECONDS", 10, 1, 86400),
		out = os.getenv("CULVERT_OUT"),
	}
	M.parse_ip(s.core)
	M.parse_ip((s.self:gsub("/%d+$", "")))
	assert(s.mac == "arp" or s.mac:match("^%x%x:%x%x:%x%x:%x%x:%x%x:%x%x$"), "CULVERT_MAC: no MAC address")
	for _, size in ipairs(s.sizes) do
		assert(size == "imix" or (type(size) == "number" and size >= 46 and size <= 9000),
			"CULVERT_SIZES: found '" .. tostring(size) .. "', expected 46 to 9000 or imix")
	end
	for _, rate in ipairs(s.rates) do
		assert(type(rate) == "number" and rate > 0 and rate <= 100, "CULVERT_RATES: per cent, 0 to 100")
	end
	return s
end

-- Pktgen's size of a frame that carries an IP packet of that size.
function M.frame(size)
	return math.max(size + M.ETHER, M.MIN_FRAME)
end

-- Addresses and next hop: the same for every run.
function M.prepare(s)
	pktgen.stop(s.port)
	pktgen.set_type(s.port, "ipv4")
	pktgen.set_proto(s.port, "udp")
	pktgen.set_ipaddr(s.port, "src", s.self)
	pktgen.set_ipaddr(s.port, "dst", s.core)
	-- culvertd asks for this host's MAC address as well: Pktgen has to answer.
	pktgen.process(s.port, "on")
	if s.mac == "arp" then
		pktgen.mac_from_arp("on")
		pktgen.send_arp(s.port, "r")
		pktgen.delay(1000)
	else
		pktgen.set_mac(s.port, "dst", s.mac)
	end
end

-- One size for all sessions, one after the other.
function M.by_range(s, size)
	local p, first, last = s.port, M.format_ip(s.pool), M.format_ip(s.pool + s.sessions - 1)
	local src = s.self:gsub("/%d+$", "")

	pktgen.set(p, "seq_cnt", 0)
	if s.mac ~= "arp" then
		pktgen.range.dst_mac(p, "start", s.mac)
	end
	pktgen.range.src_ip(p, "start", src)
	pktgen.range.src_ip(p, "inc", "0.0.0.0")
	pktgen.range.src_ip(p, "min", src)
	pktgen.range.src_ip(p, "max", src)
	pktgen.range.dst_ip(p, "start", first)
	pktgen.range.dst_ip(p, "inc", "0.0.0.1")
	pktgen.range.dst_ip(p, "min", first)
	pktgen.range.dst_ip(p, "max", last)
	pktgen.range.ip_proto(p, "udp")
	pktgen.range.pkt_size(p, "start", M.frame(size))
	pktgen.range.pkt_size(p, "inc", 0)
	pktgen.range.pkt_size(p, "min", M.frame(size))
	pktgen.range.pkt_size(p, "max", M.frame(size))
	pktgen.set_range(p, "on")
	return size
end

-- IMIX: Pktgen's sequence, twelve packets with addresses spread over the pool. (More sessions than
-- twelve: trex_downlink.py.) Returns the mean size.
function M.by_sequence(s)
	local src, sum = s.self, 0

	pktgen.set_range(s.port, "off")
	for i, size in ipairs(M.IMIX) do
		local offset = (i - 1) * s.sessions // #M.IMIX
		local packet = {
			["eth_src_addr"] = M.own_mac(s),
			["eth_dst_addr"] = s.mac,
			["ip_src_addr"] = src,
			["ip_dst_addr"] = M.format_ip(s.pool + offset),
			["sport"] = 1234,
			["dport"] = 9,
			["ethType"] = "ipv4",
			["ipProto"] = "udp",
			["vlanid"] = 1,
			["pktSize"] = M.frame(size),
		}

		assert(s.mac ~= "arp", "imix needs CULVERT_MAC: a sequence does not take it from ARP")
		pktgen.seqTable(i - 1, s.port, packet)
		sum = sum + size
	end
	pktgen.set(s.port, "seq_cnt", #M.IMIX)
	return sum / #M.IMIX
end

function M.own_mac(s)
	local info = pktgen.portInfo and pktgen.portInfo(s.port)
	local port = info and info[tonumber(s.port)]
	local l2 = port and port.info and port.info.l2_l3_info

	return l2 and l2.src_mac or "02:00:00:00:00:01"
end

-- Send at `rate` per cent for the time set; what was sent and received, as the port's counters have it
-- between two readings, so that neither starting nor stopping is in the figure. Pktgen's delay() is
-- taken at its word (it is a little late: half a per cent); its Lua has no finer clock.
function M.run(s, rate)
	pktgen.set(s.port, "count", 0)
	pktgen.set(s.port, "rate", rate)
	pktgen.clr()
	pktgen.start(s.port)
	pktgen.delay(1000)
	local before = M.counters(s)
	pktgen.delay(s.seconds * 1000)
	local after = M.counters(s)
	pktgen.stop(s.port)
	-- What is still on its way would be counted to the next run.
	pktgen.delay(500)

	return {
		tx_pps = (after.opackets - before.opackets) / s.seconds,
		rx_pps = (after.ipackets - before.ipackets) / s.seconds,
		missed = (after.imissed or 0) - (before.imissed or 0),
		errors = (after.oerrors or 0) - (before.oerrors or 0),
	}
end

function M.counters(s)
	local stats = pktgen.portStats(s.port, "port")
	return assert(stats[tonumber(s.port)], "Pktgen has no port " .. s.port)
end

function M.header()
	return "size,mean_size,rate_percent,tx_pps,tx_gbit_inner,tx_gbit_wire,rx_pps,rx_missed,tx_errors"
end

function M.row(size, mean, rate, r)
	return string.format("%s,%.1f,%g,%.0f,%.4f,%.4f,%.0f,%d,%d", tostring(size), mean, rate, r.tx_pps,
		r.tx_pps * mean * 8 / 1e9, r.tx_pps * (M.frame(mean) + M.WIRE) * 8 / 1e9, r.rx_pps,
		r.missed, r.errors)
end

return M
