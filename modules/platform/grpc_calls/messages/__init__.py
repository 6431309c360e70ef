"""Contract values as protobuf messages, made at run time from the contracts and their numbers."""
