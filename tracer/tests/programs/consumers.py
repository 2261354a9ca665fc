"""What others find in files of ours: `profiles FOLDER` and `trace FOLDER`, each with the packages of its name. Nothing here
knows how they were written."""

import gzip
import json
import pathlib
import sys
import xml.etree.ElementTree

kind, folder = sys.argv[1], pathlib.Path(sys.argv[2])


def profiles():
    from flamegraph_textual.parsers import parse
    from flamegraph_textual.parsers.profile_pb2 import Profile

    pprof = Profile()
    pprof.ParseFromString(gzip.decompress((folder / "run.pb.gz").read_bytes()))
    strings = pprof.string_table
    types = [strings[kind.type] for kind in pprof.sample_type]
    places = {place.id: place.line[0].function_id for place in pprof.location}
    functions = {function.id: strings[function.name] for function in pprof.function}
    leaves = [functions[places[sample.location_id[0]]] for sample in pprof.sample]
    speedscope = json.loads((folder / "run.speedscope.json").read_bytes())
    svg = xml.etree.ElementTree.parse(folder / "run.svg")
    titles = [title.text for title in svg.iter("{http://www.w3.org/2000/svg}title")]

    def total(name):
        """Of the first measure in it, as another's parser has it."""
        return parse((folder / name).read_bytes(), name).root_stack.values[0]

    return {
        "pprof": {name: sum(sample.value[at] for sample in pprof.sample) for at, name in enumerate(types)},
        "leaves": sorted(set(leaves)),
        "speedscope": {profile["name"]: sum(profile["weights"]) for profile in speedscope["profiles"]},
        "parsed": {name: total(name) for name in ["run.pb.gz", "run.speedscope.json", "run.collapsed"]},
        "svg": [title for title in titles if title.startswith("all (")],
    }


def trace():
    from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import Trace, TrackEvent

    trace = Trace()
    trace.ParseFromString((folder / "run.pftrace").read_bytes())
    events = [packet.track_event for packet in trace.packet if packet.HasField("track_event")]
    open_slices, wrong = {}, 0
    for event in events:
        step = {TrackEvent.TYPE_SLICE_BEGIN: 1, TrackEvent.TYPE_SLICE_END: -1}.get(event.type, 0)
        open_slices[event.track_uuid] = open_slices.get(event.track_uuid, 0) + step
        wrong += open_slices[event.track_uuid] < 0
    times = [packet.timestamp for packet in trace.packet if packet.HasField("timestamp")]
    states = {}
    for packet in trace.packet:
        if packet.HasField("track_descriptor") and packet.track_descriptor.name.endswith(" in each step"):
            states[packet.track_descriptor.uuid] = packet.track_descriptor.name.split()[0]
    state_ns = dict.fromkeys(states.values(), 0)
    for event in events:
        if event.track_uuid in states:
            state_ns[states[event.track_uuid]] += event.counter_value
    samples = [packet.stack_sample for packet in trace.packet if packet.HasField("stack_sample")]
    return {
        "processes": sorted(
            packet.track_descriptor.process.pid
            for packet in trace.packet
            if packet.track_descriptor.HasField("process")
        ),
        "instants": [event.name for event in events if event.type == TrackEvent.TYPE_INSTANT],
        "state_ns": state_ns,
        "whole": wrong == 0 and not any(open_slices.values()) and times == sorted(times),
        "stacks": [
            {
                "what": sample.primary_descriptor.name,
                "pid": sample.task_context.pid,
                "innermost": sample.callstack.frames[-1].function_name,
            }
            for sample in samples
        ],
    }


print(json.dumps({"profiles": profiles, "trace": trace}[kind]()))
