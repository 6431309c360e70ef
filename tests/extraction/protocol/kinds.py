"""Values of all the types that a module's tables may have, as text."""

from __future__ import annotations

# Of each type several: signs, zeros, scales, zones, and lengths around the words a hash takes.
VALUES = {
    "smallint": ("-32768", "0", "7"),
    "integer": ("-2147483648", "-1", "7"),
    "bigint": ("-9223372036854775808", "-1", "7", "5000000000"),
    "numeric": ("0", "-0.00", "1.0", "1.00", "-1234567890123456789.000120", "1e300", "NaN"),
    "numeric(9,2)": ("0", "-1.5", "1234567.89"),
    "real": ("-0", "0", "0.1", "NaN", "Infinity", "1e-40"),
    "double precision": ("-0", "0", "0.1234567890123456", "NaN", "-Infinity", "5e-324"),
    "boolean": ("t", "f"),
    "text": ("", "a", "Straße", "日本語のテキスト", "12345678901", "123456789012", "1234567890123"),
    "character varying": ("", "İstanbul ", "é", "e\u0301", "x" * 5000),
    "character(9)": ("", "ab", "Ä"),
    '"char"': ("a", "\\377"),
    "name": ("a", "ä"),
    "bytea": ("\\x", "\\x00ff", "\\x000102030405060708090a0b0c"),
    "uuid": ("00000000-0000-0000-0000-000000000000", "0190a2b4-5c6d-7e8f-9a0b-1c2d3e4f5061"),
    "date": ("-infinity", "0001-01-01", "2026-11-21", "5874897-12-31"),
    "time": ("00:00", "24:00", "12:34:56.789012"),
    "timetz": ("12:34:56.789012+14", "00:00-15:59"),
    "timestamp": ("infinity", "4713-01-01 BC", "2026-11-21 01:02:03.456789"),
    "timestamptz": ("-infinity", "2026-11-21 01:02:03.456789+05:45", "1883-11-18 12:03:58-08"),
    "interval": ("1 mon -1 day 02:03:04.5", "24:00", "1 day", "-178000000 years"),
    "jsonb": ('{"b": [1, 1.0, null], "a": {"ä": ""}}', "[]", "3.10", "true", '"x"', "null"),
    "json": ('{"b":  1}', "[1,2 ]"),
    "jsonpath": ("$.a[*] ? (@ > 1)",),
    "inet": ("10.0.0.1/8", "10.0.0.1", "::1", "2001:db8::/32"),
    "cidr": ("10.0.0.0/8", "2001:db8::/32"),
    "macaddr": ("08:00:2b:01:02:03",),
    "macaddr8": ("08:00:2b:01:02:03:04:05",),
    "money": ("-12.34",),
    "oid": ("0", "4294967295"),
    "xid8": ("18446744073709551615",),
    "pg_lsn": ("16/B374D848",),
    "bit(5)": ("10101",),
    "bit varying": ("", "1010101010101"),
    "tsvector": ("'a':1A 'fat':2",),
    "tsquery": ("fat & (rat | cat)",),
    "point": ("(-0.5,1e-10)",),
    "box": ("(1,2),(-3,4)",),
    "polygon": ("((0,0),(0,1),(1,0.1))",),
    "int4range": ("empty", "[1,5)", "(,7]"),
    "numrange": ("[1.10,2.0)", "(,)"),
    "tstzrange": ('["2026-11-21 01:02:03+00",)',),
    "int4multirange": ("{[1,3),[7,9)}", "{}"),
    "text[]": ("{}", '{a,NULL,"ä b"}', "{{1,2},{3,4}}", "[2:3]={x,y}"),
    "numeric[]": ("{1.0,NaN}",),
    "uuid[]": ("{0190a2b4-5c6d-7e8f-9a0b-1c2d3e4f5061}",),
    "jsonb[]": ('{"{\\"a\\": 1}"}',),
}
# All that PostgreSQL brings and that may be a column; numbers of the catalogue are refused.
BUILT_IN = """
SELECT format_type(oid, -1) FROM pg_type WHERE typnamespace = 'pg_catalog'::regnamespace
AND typtype IN ('b', 'r', 'm') AND typname !~ '^_?reg|^_pg_|^_cstring$' ORDER BY 1
"""
# Those of ICU are not here: its sort keys are asked for by no deterministic collation.
COLLATIONS = """
SELECT quote_ident(collname) FROM pg_collation WHERE collnamespace = 'pg_catalog'::regnamespace
AND collprovider <> 'i' AND collencoding IN (-1, pg_char_to_encoding('UTF8'))
"""
