# SPDX-License-Identifier: BSD-3-Clause
# shellcheck shell=bash
# A certificate authority of a test's own. Sourced behind topology.sh, whose $work it uses.
# shellcheck disable=SC2154

# shellcheck disable=SC2034 # for the callers
ec=(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1)
# shellcheck disable=SC2034 # for the callers
rsa=(-newkey rsa:2048)

# ca_make: $work/ca.crt, ca.key, and a data base for revocations.
ca_make() {
	openssl req -x509 -nodes "${ec[@]}" -days 30 -subj '/CN=Trial CA' -keyout "$work/ca.key" \
		-out "$work/ca.crt" 2>/dev/null
	: >"$work/index"
	echo 01 >"$work/crlnumber"
	cat >"$work/ca.cnf" <<-END
		[ca]
		default_ca=d
		[d]
		database=$work/index
		new_certs_dir=$work
		rand_serial=yes
		policy=p
		crlnumber=$work/crlnumber
		default_md=sha256
		default_crl_days=1
		[p]
		commonName=supplied
	END
}

# issue FILE SUBJECT ALT-NAMES USAGE KEY-OPTION...: $work/FILE.pem (certificate, CA, key), FILE.crt.
issue() {
	local file=$work/$1 subject=$2 names=$3 usage=$4
	shift 4
	openssl req -nodes "$@" -subj "$subject" -keyout "$file.key" -out "$file.csr" 2>/dev/null
	{
		echo "basicConstraints=CA:FALSE"
		echo "extendedKeyUsage=$usage"
		[[ -z $names ]] || echo "subjectAltName=$names"
	} >"$file.ext"
	openssl x509 -req -in "$file.csr" -CA "$work/ca.crt" -CAkey "$work/ca.key" -CAcreateserial -days 30 \
		-extfile "$file.ext" -out "$file.crt" 2>/dev/null
	cat "$file.crt" "$work/ca.crt" "$file.key" >"$file.new"
	mv "$file.new" "$file.pem"
}

crl_make() {
	openssl ca -config "$work/ca.cnf" -gencrl -keyfile "$work/ca.key" -cert "$work/ca.crt" \
		-out "$work/crl.new" 2>/dev/null
	mv "$work/crl.new" "$work/crl.pem"
}

# issue_expired FILE SUBJECT USAGE KEY-OPTION...: the same, and its time was over years ago.
issue_expired() {
	local file=$work/$1 subject=$2 usage=$3
	shift 3
	openssl req -nodes "$@" -subj "$subject" -keyout "$file.key" -out "$file.csr" 2>/dev/null
	printf 'basicConstraints=CA:FALSE\nextendedKeyUsage=%s\n' "$usage" >"$file.ext"
	openssl ca -batch -config "$work/ca.cnf" -notext -in "$file.csr" -cert "$work/ca.crt" -keyfile "$work/ca.key" \
		-startdate 20200101000000Z -enddate 20200201000000Z -extfile "$file.ext" -out "$file.crt" 2>/dev/null
	cat "$file.crt" "$work/ca.crt" "$file.key" >"$file.pem"
}

# revoke FILE: in the CRL from the next crl_make on.
revoke() {
	openssl ca -config "$work/ca.cnf" -revoke "$work/$1.crt" -keyfile "$work/ca.key" -cert "$work/ca.crt" \
		2>/dev/null
}
