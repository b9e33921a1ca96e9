"""Asks DuckDB about a table.      python read_parquet.py QUERY FILE..."""

import json
import sys

import duckdb

print(json.dumps(duckdb.execute(sys.argv[1], sys.argv[2:]).fetchall(), default=str))
