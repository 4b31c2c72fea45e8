-- SPDX-License-Identifier: BSD-3-Clause
-- The Pktgen scripts against a stand-in for Pktgen's API: what they set, in which order, and what they
-- print. The stand-in knows exactly the functions that Pktgen has, takes their arguments' types
-- seriously and sends at the rate that was set.
-- Run in bench/pktgen.

local LINE = 10e9
local calls, ports, now

local function note(name, ...)
	calls[#calls + 1] = table.concat({ name, ... }, " ")
end

local function port_of(list)
	assert(type(list) == "string", "a port list is a string")
	assert(ports[tonumber(list)], "no port " .. list)
	return ports[tonumber(list)]
end

local function ip(text)
	assert(type(text) == "string" and text:match("^%d+%.%d+%.%d+%.%d+$"), "no address: " .. tostring(text))
	local a, b, c, d = text:match("^(%d+)%.(%d+)%.(%d+)%.(%d+)$")
	return ((a * 256 + b) * 256 + c) * 256 + d
end

-- Frame sizes that a port sends, one after the other.
local function frames(p)
	if p.seq_cnt > 0 then
		local sizes = {}
		for i = 0, p.seq_cnt - 1 do
			sizes[#sizes + 1] = assert(p.seq[i], "sequence " .. i .. " is empty").pktSize
		end
		return sizes
	end
	return { p.range_on and p.range.pkt_size.start or p.size }
end

local function advance(ms)
	now = now + ms / 1000
	for _, p in pairs(ports) do
		if p.sending then
			local sum, n = 0, 0
			for _, f in ipairs(frames(p)) do
				assert(f >= 64, "a frame of " .. f)
				sum, n = sum + f + 20, n + 1
			end
			local packets = LINE * p.rate / 100 / 8 / (sum / n) * ms / 1000
			p.opackets = p.opackets + packets
			p.ipackets = p.ipackets + (p.echo and packets or 0)
		end
	end
end

local function stand_in()
	calls, now = {}, 0
	ports = {
		[0] = {
			rate = 100, size = 64, seq_cnt = 0, seq = {}, opackets = 0, ipackets = 0,
			range = {}, range_on = false, sending = false,
		},
	}
	local function range(name, check)
		return function(list, what, value)
			local r = port_of(list).range
			assert(what == "start" or what == "inc" or what == "min" or what == "max", what)
			r[name] = r[name] or {}
			r[name][what] = check(value)
		end
	end
	local function number(v)
		assert(type(v) == "number")
		return v
	end
	local function mac(v)
		assert(v:match("^%x%x:%x%x:%x%x:%x%x:%x%x:%x%x$"), "no MAC address: " .. v)
		return v
	end
	local known = {
		screen = function() end,
		stop = function(l) port_of(l).sending = false end,
		start = function(l) port_of(l).sending = true end,
		clr = function() ports[0].opackets, ports[0].ipackets = 0, 0 end,
		delay = advance,
		set = function(l, what, v)
			local p = port_of(l)
			assert(({ count = 1, rate = 1, size = 1, seq_cnt = 1, dport = 1 })[what], what)
			note("set", what, v)
			p[what] = number(v)
		end,
		set_type = function(l, v) port_of(l) assert(v == "ipv4") end,
		set_proto = function(l, v) port_of(l) assert(v == "udp") end,
		set_ipaddr = function(l, which, v)
			port_of(l)
			if which == "src" then
				assert(v:match("/%d+$"), "a source has a prefix")
			else
				ip(v)
			end
			note("set_ipaddr", which, v)
		end,
		set_mac = function(l, which, v) port_of(l) assert(which == "dst") note("set_mac", mac(v)) end,
		set_range = function(l, v) port_of(l).range_on = v == "on" end,
		process = function(l, v) port_of(l) end,
		mac_from_arp = function(v) note("mac_from_arp", v) end,
		send_arp = function(l, v) port_of(l) note("send_arp", v) end,
		seqTable = function(n, l, t)
			assert(n >= 0 and n < 16, "Pktgen has 16 sequence packets")
			ip(t.ip_dst_addr)
			mac(t.eth_dst_addr)
			mac(t.eth_src_addr)
			port_of(l).seq[n] = t
		end,
		portStats = function(l, kind)
			local p = port_of(l)
			assert(kind == "port")
			return { [0] = { opackets = p.opackets // 1, ipackets = p.ipackets // 1, imissed = 0, oerrors = 0 }, n = 1 }
		end,
		portInfo = function(l)
			return { [0] = { info = { l2_l3_info = { src_mac = "02:00:00:00:00:aa" } } }, n = 1 }
		end,
		pktStats = function(l)
			return { [0] = { latency = { num_pkts = 7, avg_us = 3 } }, n = 1 }
		end,
		latency = function(l, v)
			port_of(l)
			assert(v == "enable" or v == "disable")
		end,
		range = {
			dst_mac = range("dst_mac", mac), src_ip = range("src_ip", ip), dst_ip = range("dst_ip", ip),
			ip_proto = function(l, v) assert(v == "udp") end, pkt_size = range("pkt_size", number),
		},
	}
	pktgen = setmetatable(known, {
		__index = function(_, name)
			error("Pktgen has no function '" .. name .. "'", 2)
		end,
	})
end

local env = {}
os.getenv = function(name) return env[name] end
local real_print = print

-- Run a script with settings. Returns what it printed.
local function run(file, settings)
	local lines = {}

	env = settings
	stand_in()
	package.loaded.culvert = nil
	ports[0].echo = settings.echo
	print = function(line) lines[#lines + 1] = line end
	local ok, err = pcall(dofile, file)
	print = real_print
	return ok and lines, err
end

local function fields(line)
	local t = {}
	for f in (line .. ","):gmatch("([^,]*),") do
		t[#t + 1] = tonumber(f) or f
	end
	return t
end

local function near(a, b)
	assert(math.abs(a - b) <= 0.01 * math.abs(b), a .. " is not about " .. b)
end

-- Every size at every rate, at what the line carries.
local lines = assert(run("downlink.lua", {
	CULVERT_MAC = "02:00:00:00:00:99", CULVERT_SESSIONS = "1000", CULVERT_SIZES = "64,1400,imix",
	CULVERT_RATES = "10,100", CULVERT_SECONDS = "3",
}))
assert(#lines == 1 + 3 * 2, #lines .. " lines")
local row = fields(lines[3]) -- 64 bytes at 100 %
assert(row[1] == 64 and row[3] == 100)
near(row[4], 10e9 / 8 / (64 + 18 + 20))
near(row[5], row[4] * 64 * 8 / 1e9)
near(row[6], 10)
near(fields(lines[2])[4], row[4] / 10)
row = fields(lines[5]) -- 1400 at 100 %
near(row[4], 10e9 / 8 / (1400 + 18 + 20))
row = fields(lines[7]) -- imix at 100 %
near(row[2], (7 * 64 + 4 * 576 + 1400) / 12)
near(row[6], 10)
assert(ports[0].sending == false and ports[0].range_on == false and ports[0].seq_cnt == 0, "left something on")
-- The pool and nothing else.
local r = ports[0].range.dst_ip
assert(r.min == ip("10.0.0.2") and r.max == ip("10.0.0.2") + 999 and r.inc == 1 and r.start == r.min)
local seen = {}
for i = 0, 11 do
	local a = ip(ports[0].seq[i].ip_dst_addr)
	assert(a >= r.min and a <= r.max and not seen[a], "address of sequence " .. i)
	seen[a] = true
end

-- The smallest frame there is.
lines = assert(run("downlink.lua", { CULVERT_MAC = "02:00:00:00:00:99", CULVERT_SIZES = "46", CULVERT_RATES = "100" }))
near(fields(lines[2])[4], 10e9 / 8 / 84)

-- By ARP: asked for, before anything is sent.
assert(run("downlink.lua", { CULVERT_SIZES = "64", CULVERT_RATES = "1" }))
local arp, sent
for i, c in ipairs(calls) do
	arp = arp or (c == "send_arp r" and i)
	sent = sent or (c:match("^set rate") and i)
end
assert(arp and sent and arp < sent, "ARP comes first")

-- What cannot be is refused, with a reason.
for _, bad in ipairs({
	{ CULVERT_SIZES = "12" }, { CULVERT_RATES = "0" }, { CULVERT_RATES = "101" }, { CULVERT_POOL = "10.0.0.256" },
	{ CULVERT_SESSIONS = "0" }, { CULVERT_MAC = "nonsense" }, { CULVERT_SIZES = "" }, { CULVERT_SECONDS = "x" },
	{ CULVERT_SIZES = "imix", CULVERT_RATES = "1" }, -- without a MAC address
}) do
	local ok, err = run("downlink.lua", bad)
	assert(not ok and type(err) == "string", "taken: " .. next(bad))
end

lines = assert(run("latency.lua", { CULVERT_MAC = "02:00:00:00:00:99", CULVERT_RATES = "1,5", CULVERT_SIZES = "64,1400", echo = true }))
assert(#lines == 5)
row = fields(lines[2])
near(row[3], row[4])
assert(row[5] == "avg_us=3 num_pkts=7", row[5])

print("pktgen scripts: ok")
