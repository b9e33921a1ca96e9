"""Opens a report as `ttnn-visualizer --profiler-path FOLDER` does, and prints what its server answers, as one line of JSON.

    read_visualizer.py FOLDER OF_ITS_OWN
"""

import json
import os
import pathlib
import sys

report, own = map(pathlib.Path, sys.argv[1:])
os.environ |= {"HOME": str(own), "APP_DATA_DIRECTORY": str(own), "REPORT_DATA_DIRECTORY": str(own)}

from ttnn_visualizer.app import create_app  # noqa: E402
from ttnn_visualizer.instances import create_instance_from_local_paths  # noqa: E402
from ttnn_visualizer.queries import DatabaseQueries  # noqa: E402

app = create_app({
    "TESTING": True,
    "APP_DATA_DIRECTORY": str(own),
    "SQLALCHEMY_DATABASE_URI": f"sqlite:///{own / 'app.db'}",
    "USE_WEBSOCKETS": False,
})
with app.app_context():
    made = create_instance_from_local_paths(str(report), None)
    instance, opened = made.instance_id, made.to_pydantic()
client = app.test_client()


def ask(what, rank):
    answer = client.get(f"/api/{what}", query_string={"instanceId": instance, "rank": rank})
    assert answer.status_code == 200, (what, answer.status_code, answer.text)
    return json.loads(answer.data)


answers = []
with DatabaseQueries(opened) as queries:
    ranks = queries.query_operation_ranks()
for rank in ranks:
    found = {name: ask(name, rank) for name in ("devices", "operations", "tensors", "operation-buffers", "errors")}
    last = found["operations"][-1]["id"]
    found["last operation"] = ask(f"operations/{last}", rank)
    with DatabaseQueries(opened) as queries:
        found["totals"] = queries.query_buffer_totals_by_operation(rank)
    answers.append(found)
answers[0]["metadata"] = ask("report-metadata", 0)
print(json.dumps(answers))
