// SPDX-License-Identifier: BSD-3-Clause
// One protocol's packets, in the phase they belong to: built once each for LCP, PAP, CHAP and IPCP
// (PPP_FUZZ_PROTO). The first byte chooses the role and the method; then packets, each behind a
// byte with its length.
#include "ppp_fuzz.h"

#include "protocol/ppp/ppp_internal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint32_t method_of(uint8_t choice)
{
	if (PPP_FUZZ_PROTO == PPP_PROTO_PAP)
		return PPP_AUTH_PAP;
	if (PPP_FUZZ_PROTO == PPP_PROTO_CHAP)
		return PPP_AUTH_CHAP_MD5 << (choice >> 1) % 3;
	if (PPP_FUZZ_PROTO == PPP_PROTO_IPV6CP)
		return choice & 2 ? FUZZ_IPV6_REQUIRED : FUZZ_IPV6_YES;
	return PPP_FUZZ_PROTO == PPP_PROTO_IPCP ? 0 : (choice >> 1) & PPP_AUTH_ALL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cursor packet, c = cursor_make(data, size);
	struct fuzz_link f;
	uint8_t choice, len;

	if (cur_u8(&c, &choice))
		return 0;
	fuzz_link_make(&f, choice & 1, method_of(choice));
	if (PPP_FUZZ_PROTO != PPP_PROTO_LCP)
		fuzz_link_open(&f);
	f.hold_verdict = choice & 0x80;
	while (!cur_u8(&c, &len)) {
		if (cur_sub(&c, &packet, len))
			(void)cur_sub(&c, &packet, cur_left(&c));
		fuzz_link_packet(&f, PPP_FUZZ_PROTO, packet.p, cur_left(&packet));
		if (choice & 0x40)
			fuzz_link_ack(&f, PPP_FUZZ_PROTO == PPP_PROTO_IPCP     ? 1
					  : PPP_FUZZ_PROTO == PPP_PROTO_IPV6CP ? 2
									       : 0);
	}
	fuzz_link_end(&f);
	return 0;
}
