"""Validates a file against a JSON schema.      python check_json.py SCHEMA FILE"""

import json
import sys

import jsonschema

schema, instance = (json.load(open(path)) for path in sys.argv[1:])
jsonschema.validate(instance, schema)
