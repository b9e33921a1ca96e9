"""The page about the JSON of reports, made from docs/report.schema.json: all that it says stands in the schema.

A key that has no description there, or no example though it is a plain value, is an error. A unit stands in `$comment`, which
every validator knows.
"""

import json
import pathlib

SCHEMA = pathlib.Path(__file__).resolve().parent.parent.parent / "docs" / "report.schema.json"

HEAD = """# The JSON of a report

`--json FILE` of `ttmem run` and `ttmem report` writes it: one object, in UTF-8. It is for scripts, and `ttmem diff` reads it
too. This page is made from [report.schema.json](report.schema.json), which validators read.

* Keys are added in later versions; the meaning of one never changes. Pass over keys that you do not know.
* A key with * may be missing. `null` stands where something is not known.
* Bytes are on one device; "per bank" means within each of its banks.
* Numbers may need 64 bits: read them as integers, not as floating point.

What is left of what, largest first:

```console
$ ttmem run --json report.json --quiet -- python model.py
$ jq -r '.processes[].live[] | [.size, .memory, .site[0]] | @tsv' report.json
```
"""

# The objects that have a name in the schema, as titles.
TITLES = {
    "process": "A process",
    "devices": "Devices",
    "memory": "A memory of a device",
    "l1": "The L1 of a device",
    "regions": "Allocations: what is or was live",
    "tensor": "Tensors",
    "growth": "Growth",
    "program_region": "A region of the program",
    "left": "What is left behind",
    "holdings": "Holdings: allocations added up",
    "clash": "A clash of circular buffers",
}


class Page:
    """Goes from object to object, each a table of its own, as it meets them."""

    def __init__(self, schema):
        self.definitions = schema["$defs"]
        self.sections = []
        self.told = set()

    def follow(self, schema):
        """What a reference stands for (its own words first), and the name that it has."""
        name = None
        while "$ref" in schema:
            path = schema["$ref"].removeprefix("#/$defs/").split("/")
            target = self.definitions[path[0]]
            for step in path[1:]:
                target = target[step]
            name = name or path[0]
            schema = target | {key: value for key, value in schema.items() if key != "$ref"}
        return schema, name

    def type_of(self, schema, title):
        """The type in words, and the objects that it is made of: (title, schema)."""
        schema, name = self.follow(schema)
        if name in TITLES:
            title = TITLES[name]
        if "const" in schema:
            return f"always `{json.dumps(schema['const'])}`", []
        if "enum" in schema:
            return ", ".join(f"`{json.dumps(value)}`" for value in schema["enum"]), []
        if "oneOf" in schema:
            # Alternatives are told apart by their first key.
            kinds = []
            for alternative in schema["oneOf"]:
                key = next(iter(alternative.get("properties", {})), None)
                words, objects = self.type_of(alternative, f"{title}, {key}")
                kinds.append((words.replace("[object]", f"[object with {key}]") if key else words, objects))
            return " or ".join(words for words, _ in kinds), [found for _, objects in kinds for found in objects]
        kind = schema["type"]
        if isinstance(kind, list):
            return " or ".join(kind), []
        if kind == "array":
            words, objects = self.type_of(schema["items"], title)
            return f"array of {words}", objects
        if kind == "object" and "properties" in schema:
            anchor = "".join(c for c in title.lower().replace(" ", "-") if c.isalnum() or c in "-_")
            return f"[object](#{anchor})", [(title, schema)]
        if kind == "object":
            words, objects = self.type_of(schema["additionalProperties"], title)
            return f"object of {words}, by name", objects
        return kind, []

    def tell(self, title, schema):
        """A section for the object, then those of what is in it."""
        if title in self.told:
            return
        self.told.add(title)
        rows, inner = [], []
        for key, declared in schema["properties"].items():
            value, _ = self.follow(declared)
            parent = title.partition(":")[0].partition(" (")[0]
            words, objects = self.type_of(declared, f"`{key}` of {parent[0].lower() + parent[1:]}")
            inner += objects
            meaning, examples = value.get("description"), value.get("examples")
            if not meaning or not (examples or objects or "const" in value or value["type"] == "object"):
                raise ValueError(f"{SCHEMA.name}: {title}: {key}: a key has a description and an example")
            example = f"`{json.dumps(examples[0], ensure_ascii=False)}`" if examples else ""
            star = "" if key in schema.get("required", []) else " *"
            cells = [f"`{key}`{star}", words, value.get("$comment", "").removeprefix("unit: "), meaning, example]
            rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        text = [f"## {title}", "", "| key | type | unit | meaning | example |", "|---|---|---|---|---|", *rows, ""]
        self.sections.append("\n".join(text))
        for found in inner:
            self.tell(*found)


def page():
    """The whole page."""
    schema = json.loads(SCHEMA.read_text())
    made = Page(schema)
    made.tell("The report", schema)
    memory = json.loads(SCHEMA.read_text())["$defs"]["memory_name"]["pattern"]
    names = ", ".join(f"`{name}`" for name in memory.removeprefix("^(").split("|")[:-1])
    tail = f"\n## Names of memories\n\n{names}, and `unknown(N)` for a type of buffer that this version does not know.\n"
    return HEAD + "\n" + "\n".join(made.sections) + tail
