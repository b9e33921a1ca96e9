"""Reads a trace with the descriptors of the package `perfetto`, and with its trace processor where that can be had.

    python read_perfetto.py TRACE      prints what it found as JSON
"""

import collections
import csv
import io
import json
import os
import subprocess
import sys
import tempfile

from google.protobuf.unknown_fields import UnknownFieldSet
from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import Trace, TrackEvent


def check_known(message):
    """Fails on a field, or a number of an enumeration, that Perfetto's own definition does not have."""
    unknown = UnknownFieldSet(message)
    assert len(unknown) == 0, f"{message.DESCRIPTOR.name}: field {unknown[0].field_number}"
    for field, value in message.ListFields():
        if field.message_type is not None:
            for part in value if field.is_repeated else [value]:
                check_known(part)


def name_of(tracks, uuid):
    """Pid, name of the parent, own name."""
    track = tracks[uuid]
    parent = tracks.get(track.parent_uuid)
    top = track
    while top.parent_uuid:
        top = tracks[top.parent_uuid]
    return top.process.pid, parent.name if parent is not None else "", track.name


def read(path):
    trace = Trace()
    trace.ParseFromString(open(path, "rb").read())
    tracks, names, arguments = {}, {}, {}
    open_slices, slices, instants = {}, [], []
    counters = collections.defaultdict(list)
    last = {}
    for packet in trace.packet:
        check_known(packet)
        assert packet.trusted_packet_sequence_id == 1
        names |= {entry.iid: entry.name for entry in packet.interned_data.event_names}
        arguments |= {entry.iid: entry.name for entry in packet.interned_data.debug_annotation_names}
        if packet.HasField("track_descriptor"):
            track = packet.track_descriptor
            assert track.uuid and track.uuid not in tracks
            assert not track.parent_uuid or track.parent_uuid in tracks
            tracks[track.uuid] = track
        if not packet.HasField("track_event"):
            continue
        event, uuid = packet.track_event, packet.track_event.track_uuid
        assert packet.timestamp >= last.get(uuid, 0), "the time of a track goes back"
        last[uuid] = packet.timestamp
        place = name_of(tracks, uuid)
        values = {arguments[note.name_iid]: getattr(note, note.WhichOneof("value")) for note in event.debug_annotations}
        name = event.name or names.get(event.name_iid, "")
        if event.type == TrackEvent.TYPE_COUNTER:
            assert tracks[uuid].HasField("counter")
            counters[place].append((packet.timestamp, event.counter_value))
        elif event.type == TrackEvent.TYPE_SLICE_BEGIN:
            assert uuid not in open_slices, f"two slices at once on a track of {place}"
            assert name
            open_slices[uuid] = (place, name, values, packet.timestamp)
        elif event.type == TrackEvent.TYPE_SLICE_END:
            slices.append((*open_slices.pop(uuid), packet.timestamp))
        elif event.type == TrackEvent.TYPE_INSTANT:
            instants.append((place, name, values, packet.timestamp))
        else:
            raise AssertionError(event.type)
    slices += [(*slice, None) for slice in open_slices.values()]
    return {
        "counters": [[*place, readings] for place, readings in counters.items()],
        "slices": slices,
        "instants": instants,
        "tracks": len(tracks),
    }


def asker(path):
    """Answers queries of a trace, rows of text."""
    shell = os.environ.get("TTMEM_TRACE_PROCESSOR")
    if shell:

        def ask(query):
            with tempfile.NamedTemporaryFile("w", suffix=".sql") as file:
                file.write(query + ";")
                file.flush()
                done = subprocess.run([shell, "-q", file.name, path], capture_output=True, text=True, timeout=100, check=True)
            return list(csv.reader(io.StringIO(done.stdout)))[1:]

        return ask
    from perfetto.trace_processor import TraceProcessor

    processor = TraceProcessor(trace=path)
    return lambda query: [[str(value) for value in row.__dict__.values()] for row in processor.query(query)]


def ask_trace_processor(path):
    """What Perfetto's own trace processor makes of it; why not, where its binary cannot be had."""
    try:
        ask = asker(path)
    except Exception as error:
        return {"unavailable": str(error)}
    number = lambda query: int(ask(query)[0][0])
    return {
        "slices": number("select count(*) as count from slice where dur != 0"),
        "unfinished": number("select count(*) as count from slice where dur = -1"),
        "counters": number("select count(*) as count from counter"),
        "errors": ask("select name, value from stats where severity != 'info' and value > 0"),
    }


if __name__ == "__main__":
    found = read(sys.argv[1])
    found["trace_processor"] = ask_trace_processor(sys.argv[1])
    json.dump(found, sys.stdout)
