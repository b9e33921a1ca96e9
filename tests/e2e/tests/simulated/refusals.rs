//! The allocator refuses, and programs are refused for their circular buffers.

use serde_json::Value;
use ttmem_e2e::Variant;

use crate::compare::{Loading, compare, exact, live_count};

#[test]
fn out_of_memory_is_told_and_passes_through() {
    let process = exact("out-of-memory");
    let told = process["out_of_memory"].as_array().expect("a list");
    let facts: Vec<_> =
        told.iter().map(|one| (&one["memory"], &one["size"], &one["devices"], &one["live_bytes"])).collect();
    let devices = &serde_json::json!([0, 1]);
    assert_eq!(
        facts,
        [
            (&"L1".into(), &(33_u64 << 20).into(), devices, &(32_u64 << 20).into()),
            (&"DRAM".into(), &(1_u64 << 40).into(), devices, &0.into())
        ]
    );
}

#[test]
fn out_of_memory_tells_what_was_free_and_who_held_the_rest() {
    let process = exact("fragmented");
    let [refused] = &process["out_of_memory"].as_array().expect("a list")[..] else { panic!("{process:#}") };
    let number = |name: &str| refused[name].as_u64().unwrap_or_else(|| panic!("{name} of {refused}"));
    assert_eq!((number("size"), number("size_per_bank")), (8 << 20, 128 << 10));
    assert_eq!((number("live_bytes"), number("live_bytes_per_bank")), (32 << 20, 512 << 10));
    assert_eq!((number("free_bytes_per_bank"), number("largest_free_block_per_bank")), (512 << 10, 64 << 10));
    assert_eq!((&refused["is_fragmented"], number("missing_bytes_per_bank")), (&true.into(), 64 << 10));
    let holders = refused["holders"].as_array().expect("a list");
    assert_eq!(holders.len(), 8);
    assert!(holders.iter().all(|region| region["size"] == 4 << 20 && region["device_id"] == 0));
    let exhausted = exact("out-of-memory");
    let first = &exhausted["out_of_memory"][0];
    assert_eq!((&first["is_fragmented"], &first["missing_bytes_per_bank"]), (&false.into(), &(16 << 10).into()));
}

#[test]
fn l1_past_the_allocators_is_refused_in_the_words_of_tt_metal() {
    let process = exact("past-allocators");
    let told = process["out_of_memory"].as_array().expect("a list");
    let facts: Vec<_> = told
        .iter()
        .map(|one| (one["size"].as_u64().unwrap(), one["devices"].to_string(), one["other_reason"].as_str().unwrap()))
        .collect();
    assert_eq!(
        facts,
        [
            (0, "[0,1]".to_owned(), "an arena hands out no 0 bytes"),
            (2 << 20, "[0]".to_owned(), "out of L1 on a service core"),
            (64, "[0]".to_owned(), "called on unclaimed core")
        ]
    );
    for one in told {
        assert_eq!((&one["memory"], &one["free_bytes_per_bank"]), (&"L1".into(), &Value::Null));
        assert!(one["site"][0].as_str().is_some_and(|frame| frame.contains("scenarios")), "{one}");
    }
}

#[test]
fn circular_buffers_without_room_tell_what_is_in_their_way() {
    let process = exact("clash");
    let refused = process["out_of_memory"].as_array().expect("a list");
    let clash = |at: usize| {
        let clash = &refused[at]["clash"];
        let text = |name: &str| clash[name].as_str().unwrap_or_default().to_owned();
        let number = |name: &str| clash[name].as_u64();
        (
            (text("buffers"), text("cores"), number("region_end")),
            (number("lowest_address"), number("l1_size"), number("shortfall_bytes"), number("in_the_way_regions")),
        )
    };
    let told = |buffers: &str, cores: &str, end: u64| (buffers.to_owned(), cores.to_owned(), Some(end));
    assert_eq!(refused.len(), 4, "{refused:?}");
    let (low, high) = (1024, 1024 + (64 << 10));
    // tt-metal names the first range that meets a buffer: so far the first circular buffer does.
    assert_eq!(clash(0), (told("circular", "[0-0 - 7-7]", 1536), (Some(low), None, Some(512), Some(1))));
    assert_eq!(clash(1), (told("circular", "[0-0 - 7-0]", 101_536), (Some(high), None, Some(101_536 - high), Some(1))));
    assert_eq!(clash(2), (told("dataflow", "[1-2 - 2-2]", 200_000), (Some(high), None, Some(200_000 - high), Some(1))));
    let end = 512 + (2 << 20);
    assert_eq!(clash(3), (told("circular", "[0-0 - 3-0]", end), (None, Some(1 << 20), Some(end - (1 << 20)), Some(0))));
    for one in refused {
        assert_eq!((&one["memory"], &one["devices"]), (&"CB".into(), &serde_json::json!([0, 1])));
        assert_eq!(one["missing_bytes_per_bank"], one["clash"]["shortfall_bytes"]);
        assert!(one["site"][0].as_str().is_some_and(|frame| frame.contains("scenarios")), "{one}");
    }
    let lowest = &refused[0]["clash"]["lowest"];
    assert_eq!(
        (&lowest["address"], &lowest["size"], &lowest["memory"]),
        (&low.into(), &(4 << 20).into(), &"L1".into())
    );
    assert_eq!(refused[0]["holders"].as_array().map(Vec::len), Some(1), "only what is in the way");
    // From where circular buffers begin.
    assert_eq!([0, 1].map(|at| refused[at]["size"].as_u64()), [Some(1024), Some(101_024)]);
    let programs: Vec<_> = refused.iter().map(|one| one["clash"]["program"].as_u64().unwrap()).collect();
    assert!(programs[0] != 0 && programs[0] == programs[1] && programs[1] != programs[2]);
    let finding =
        process["findings"].as_array().unwrap().iter().find(|finding| finding["id"] == "out-of-memory").unwrap();
    assert_eq!(finding["text"], "4 programs were refused since the circular buffers did not fit into L1.");
}

#[test]
fn an_exception_that_nobody_catches_ends_the_program_as_ever() {
    for loading in [Loading::Linked, Loading::Local] {
        let (outcome, process, _) = compare(Variant::Wheel, loading, "uncaught");
        assert_eq!(outcome.code(), 134);
        assert!(outcome.stderr.contains("Out of Memory"), "{}", outcome.stderr);
        assert_eq!(process["ended"]["signal"], 6);
        assert_eq!(live_count(&process), 2);
        assert_eq!(process["live"][0]["state"], "orphaned");
        let refused = &process["out_of_memory"];
        assert_eq!(refused.as_array().map(Vec::len), Some(1), "{refused}");
        // The allocator's own figures: the exception is seen before it ends the program.
        assert_eq!((&refused[0]["size"], &refused[0]["free_bytes_per_bank"]), (&(1 << 30).into(), &(1 << 20).into()));
        assert_eq!(refused[0]["other_reason"], Value::Null);
    }
}

#[test]
fn out_of_memory_is_what_the_allocator_says_is_even_if_nobody_catches_it() {
    for (name, reason) in [
        ("uncaught-other-reason", "L1_SMALL only supports sharded allocations"),
        ("uncaught-other-type", "an exception of type St9bad_alloc"),
        ("terminated-inside", "the process aborted in the allocator's call"),
    ] {
        let (outcome, process, _) = compare(Variant::Wheel, Loading::Local, name);
        assert_eq!(outcome.code(), 134);
        let refused = &process["out_of_memory"];
        assert_eq!(
            (refused.as_array().map(Vec::len), &refused[0]["other_reason"]),
            (Some(1), &reason.into()),
            "{name}"
        );
        for figure in ["size_per_bank", "free_bytes_per_bank", "missing_bytes_per_bank"] {
            assert_eq!(refused[0][figure], Value::Null, "{name}: {figure}");
        }
    }
}
