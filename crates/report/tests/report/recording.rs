//! Recordings: what was written is what is read, from any place on, and as far as the file goes.

use std::fs::File;
use std::io::{Read, Write};
use std::sync::Arc;
use std::time::Duration;

use model::Snapshot;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use report::{
    ReadRecordingError, Recorder, Recording, Style, looks_like_recording, looks_like_snapshot,
    read_json,
};

use crate::properties::snapshot;
use crate::samples::{hostile_core, json, service};

/// What is left of a snapshot in JSON.
fn as_read(snapshot: &Snapshot) -> Snapshot {
    read_json(json(snapshot, Style::Line).as_bytes()).unwrap()
}

fn record(samples: &[Arc<Snapshot>]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut recorder = Recorder::new(&mut bytes, Duration::from_secs(2)).unwrap();
    for sample in samples {
        recorder.sample(sample.clone()).unwrap();
    }
    recorder.end("enough").unwrap();
    bytes
}

fn open(bytes: &[u8]) -> Result<Recording, ReadRecordingError> {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    Recording::open(file)
}

/// Snapshots of a program in which goroutines come, go, change places and stay.
fn series() -> impl Strategy<Value = Vec<Arc<Snapshot>>> {
    let step = (
        snapshot(),
        any::<[bool; 2]>(),
        vec(any::<Index>(), 0..12),
        any::<bool>(),
    );
    (vec(snapshot(), 1..4), vec(step, 1..12)).prop_map(|(pool, steps)| {
        let pool: Vec<_> = pool.into_iter().flat_map(|s| s.goroutines).collect();
        let mut all: Vec<Arc<Snapshot>> = Vec::new();
        for (mut now, [same_program, same_objects], chosen, sorted) in steps {
            let mut chosen: Vec<_> = chosen.iter().map(|i| i.index(pool.len().max(1))).collect();
            if sorted {
                chosen.sort_unstable();
            }
            now.goroutines.truncate(1);
            let known = chosen.iter().filter_map(|&at| pool.get(at));
            now.goroutines.extend(known.cloned());
            if let Some(before) = all.last() {
                if same_program {
                    now.target = before.target.clone();
                    now.build = before.build.clone();
                }
                if same_objects {
                    let more = now.objects.take().unwrap_or_default();
                    now.objects.clone_from(&before.objects);
                    now.objects
                        .iter_mut()
                        .for_each(|all| all.extend(more.clone()));
                }
            }
            all.push(Arc::new(now));
        }
        all
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(64) })]

    #[test]
    fn what_is_read_is_what_was_written(all in series(), order in vec(any::<Index>(), 0..8)) {
        let bytes = record(&all);
        prop_assert!(looks_like_recording(&bytes[..64]));
        prop_assert!(!looks_like_snapshot(&bytes[..64]));
        let mut recording = open(&bytes).unwrap();
        prop_assert_eq!(recording.count(), all.len());
        prop_assert_eq!(recording.interval(), Duration::from_secs(2));
        prop_assert_eq!(recording.end(), Some("enough"));
        prop_assert_eq!(recording.notes().len(), 0);
        let one_by_one = 0..all.len();
        for at in one_by_one.chain(order.iter().map(|at| at.index(all.len()))) {
            prop_assert_eq!(&*recording.sample(at).unwrap(), &as_read(&all[at]));
        }
        let beyond = recording.sample(all.len());
        let refused = matches!(beyond, Err(ReadRecordingError::NoSuchSample { .. }));
        prop_assert!(refused);
    }

    #[test]
    fn cut_anywhere_it_has_what_came_before(all in series(), cut in any::<Index>()) {
        let bytes = record(&all);
        let cut = cut.index(bytes.len());
        match open(&bytes[..cut]) {
            Ok(mut recording) => {
                prop_assert!(recording.count() <= all.len());
                let note = recording.notes().join(" ");
                prop_assert!(note.contains("is cut off") || note.contains("has no end"), "{}", note);
                for (at, written) in all.iter().enumerate().take(recording.count()) {
                    prop_assert_eq!(&*recording.sample(at).unwrap(), &as_read(written));
                }
            }
            // Not even the first sample is there.
            Err(why) => prop_assert!(
                matches!(why, ReadRecordingError::NoHeader | ReadRecordingError::Empty { .. }),
                "{}", why
            ),
        }
    }

    #[test]
    fn damaged_anywhere_it_says_so(
        all in series(),
        damage in vec((any::<Index>(), any::<u8>()), 1..4),
    ) {
        let whole = record(&all);
        let mut bytes = whole.clone();
        for (at, byte) in &damage {
            bytes[at.index(whole.len())] = *byte;
        }
        let Ok(mut recording) = open(&bytes) else { return Ok(()) };
        let mut wrong = 0;
        for at in 0..recording.count() {
            match recording.sample(at) {
                // A sample that is read is one that was written, if at another place.
                Ok(sample) => {
                    let known = all.iter().any(|written| as_read(written) == *sample);
                    wrong += usize::from(!known);
                }
                Err(why) => {
                    let damaged = matches!(why, ReadRecordingError::Damaged { .. });
                    prop_assert!(damaged, "{}", why);
                }
            }
        }
        prop_assert_eq!(wrong, 0);
    }

    #[test]
    fn anything_may_be_opened(junk in vec(any::<u8>(), 0..200), header in any::<bool>()) {
        let mut bytes = Vec::new();
        if header {
            bytes.extend(b"{\"schema\":\"goinspect.recording/1\",\"intervalNs\":1}\n");
        }
        bytes.extend(junk);
        prop_assert!(open(&bytes).is_err());
    }
}

/// The service with one goroutine elsewhere.
fn moved(second: u64) -> Arc<Snapshot> {
    let mut now = service();
    now.captured_at += Duration::from_secs(second);
    let at = second as usize % now.goroutines.len();
    Arc::make_mut(&mut now.goroutines[at]).waitsince = Some(second);
    Arc::new(now)
}

#[test]
fn what_stays_the_same_costs_little_and_is_shared() {
    let all: Vec<_> = (0..600).map(moved).collect();
    let bytes = record(&all);
    let one = record(&all[..1]).len();
    assert!(
        bytes.len() < 600 * one / 4,
        "{} for 600, {one} for one",
        bytes.len()
    );
    let mut recording = open(&bytes).unwrap();
    let [before, after] = [400, 401].map(|at| recording.sample(at).unwrap());
    let pairs = before.goroutines.iter().zip(&after.goroutines);
    let shared = pairs.filter(|(a, b)| Arc::ptr_eq(a, b)).count();
    assert_eq!(shared, before.goroutines.len() - 2);
    // So it is across whole samples.
    let mut before = after;
    for at in 402..600 {
        let now = recording.sample(at).unwrap();
        let mut pairs = before.goroutines.iter().zip(&now.goroutines);
        assert!(pairs.all(|(a, b)| a != b || Arc::ptr_eq(a, b)), "{at}");
        before = now;
    }
}

#[test]
fn every_line_of_it_is_json() {
    let all = [Arc::new(hostile_core()), Arc::new(hostile_core())];
    let bytes = record(&all);
    let header = bytes.iter().position(|b| *b == b'\n').unwrap() + 1;
    let mut text = String::new();
    let mut unpacked = flate2::read::MultiGzDecoder::new(&bytes[header..]);
    unpacked.read_to_string(&mut text).unwrap();
    let schemas: Vec<String> = text
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|line| line["schema"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        schemas,
        [
            "goinspect.snapshot/1",
            "goinspect.delta/1",
            "goinspect.end/1"
        ]
    );
}

#[test]
fn what_is_missing_is_told() {
    let mut bytes = Vec::new();
    let mut recorder = Recorder::new(&mut bytes, Duration::from_secs(1)).unwrap();
    recorder.sample(Arc::new(service())).unwrap();
    recorder.missed("the process was \u{1b}[31mbusy").unwrap();
    recorder.missed("it still was").unwrap();
    drop(recorder);
    let recording = open(&bytes).unwrap();
    assert_eq!(recording.count(), 1);
    let [missed, end] = recording.notes() else {
        panic!("{:?}", recording.notes())
    };
    assert_eq!(
        missed,
        "2 samples could not be taken; of the first: the process was \\x1b[31mbusy"
    );
    assert!(end.starts_with("the recording has no end: "), "{end}");
}

#[test]
fn other_versions_are_named() {
    let bytes = b"{\"schema\":\"goinspect.recording/2\",\"intervalNs\":1}\n";
    assert!(looks_like_recording(bytes));
    let Err(why) = open(bytes) else { panic!() };
    assert!(why.to_string().contains("goinspect.recording/2"), "{why}");
    let Err(why) = Recording::open(File::open("/dev/null").unwrap()) else {
        panic!()
    };
    assert!(matches!(why, ReadRecordingError::NoHeader));
}

/// Bytes that unpack to a great many do not fill the memory.
#[test]
fn a_list_that_repeats_itself_is_refused() {
    use flate2::{Compression, GzBuilder};
    let member = |kind: u8, json: &str| {
        let extra = [&b"GI\x09\x00"[..], &[kind], &[0; 8]].concat();
        let mut packer = GzBuilder::new()
            .extra(extra)
            .write(Vec::new(), Compression::default());
        packer.write_all(json.as_bytes()).unwrap();
        let mut member = packer.finish().unwrap();
        let length = (member.len() as u64).to_le_bytes();
        member[17..25].copy_from_slice(&length);
        member
    };
    let whole = json(&service(), Style::Line);
    let delta = format!(
        "{{\"schema\":\"goinspect.delta/1\",\"sameGoroutines\":[{}[0,0,1]],\"goroutines\":[],\"capture\":{{\"pauseNs\":null,\"bytesRead\":0,\"goroutines\":1,\"unreadable\":0,\"consistent\":true,\"nanotime\":null}},\"unreadable\":[],\"diagnostics\":[]}}\n",
        "[0,0,1],".repeat(1000)
    );
    let header = &b"{\"schema\":\"goinspect.recording/1\",\"intervalNs\":1}\n"[..];
    let bytes = [header, &member(b'W', &whole), &member(b'D', &delta)].concat();
    let mut recording = open(&bytes).unwrap();
    assert_eq!(*recording.sample(0).unwrap(), as_read(&service()));
    let Err(ReadRecordingError::Damaged { number: 2, why }) = recording.sample(1) else {
        panic!()
    };
    assert!(why.contains("does not fit"), "{why}");
}

/// What unpacks to very much more than it takes is given up on, and not read into memory.
#[test]
fn a_sample_that_is_made_to_fill_memory_is_refused() {
    let mut extra = b"GI\x09\0W".to_vec();
    extra.extend([0; 8]);
    let mut packer = flate2::GzBuilder::new()
        .extra(extra)
        .write(Vec::new(), flate2::Compression::best());
    packer
        .write_all(b"{\"schema\":\"goinspect.snapshot/1\",")
        .unwrap();
    let spaces = vec![b' '; 1 << 20];
    for _ in 0..600 {
        packer.write_all(&spaces).unwrap();
    }
    let mut member = packer.finish().unwrap();
    let length = (member.len() as u64).to_le_bytes();
    member[17..25].copy_from_slice(&length);
    let mut bytes = b"{\"schema\":\"goinspect.recording/1\",\"intervalNs\":1}\n".to_vec();
    bytes.extend(member);
    let why = open(&bytes).unwrap().sample(0).unwrap_err().to_string();
    assert!(why.contains("bytes unpack to more than"), "{why}");
}
