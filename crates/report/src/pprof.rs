//! The goroutine profile as `go tool pprof` reads it: what `pprof.Lookup("goroutine").WriteTo(w, 0)` would have
//! written in the program.
//!
//! Source: `runtime/pprof/pprof.go`, `printCountProfile`, and `runtime/pprof/proto.go`.

mod proto;

use std::borrow::Cow;
use std::cmp::Reverse;
use std::collections::HashMap;
use std::io::{self, Write};
use std::time::UNIX_EPOCH;

use flate2::Compression;
use flate2::write::GzEncoder;
use model::{Addr, Escaped, Goid, Goroutine, Labels, Snapshot, Stacks, TextMapping};
use prost::Message;

use self::proto::{Function, Label, Line, Location, Mapping, Profile, Sample, ValueType};
use crate::caveats::{caveats, source};
use crate::stacks::{PhysicalFrame, Stack, UNREADABLE, counted, is_interrupted, mark};

/// How a profile is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PprofOptions {
    /// Whether to count the runtime's own goroutines and dead ones, too, which Go's own profile does not.
    pub all: bool,
    /// Whether every goroutine is a sample of its own, with `goid`, `status`, `waitreason` and `gopc` as labels.
    /// Otherwise goroutines with the same stack and the same labels are one sample.
    pub per_goroutine: bool,
}

/// The ID of the only mapping.
const MAPPING: u64 = 1;
/// How many remarks there are before the rest is only counted: `go tool pprof` prints them above all else.
const MAX_CAVEATS: usize = 10;
/// How many samples are encoded at a time.
const BATCH: usize = 1024;

/// Writes the goroutines of a snapshot as a gzipped `profile.proto`. `out` need not be buffered.
///
/// Where a stack is not whole, a frame in brackets says so at its root; what else the reader should know
/// are the profile's comments (`go tool pprof -comments`). Strings are as the program has them:
/// unlike goinspect, `go tool pprof` prints them as they are.
pub fn write_pprof(snapshot: &Snapshot, out: impl Write, options: &PprofOptions) -> io::Result<()> {
    let mut out = Writer::new(out);
    let mut tables = Tables::new(snapshot);
    match options.per_goroutine {
        true => each(snapshot, options.all, &mut tables, &mut out)?,
        false => grouped(snapshot, options.all, &mut tables, &mut out)?,
    }
    if !snapshot.unreadable.is_empty() {
        let ids = vec![tables.mark(UNREADABLE)];
        out.sample(ids, snapshot.unreadable.len(), Vec::new())?;
    }
    out.finish(tables.finish(snapshot))
}

/// A profile on its way. It is written in parts, which are joined by whoever reads them, so that a
/// million samples need not be in memory at once.
struct Writer<W: Write> {
    out: GzEncoder<W>,
    samples: Vec<Sample>,
}

impl<W: Write> Writer<W> {
    fn new(out: W) -> Writer<W> {
        Writer {
            out: GzEncoder::new(out, Compression::fast()),
            samples: Vec::new(),
        }
    }

    fn sample(&mut self, location_id: Vec<u64>, n: usize, label: Vec<Label>) -> io::Result<()> {
        self.samples.push(Sample {
            location_id,
            value: vec![count(n)],
            label,
        });
        match self.samples.len() {
            BATCH.. => self.part(Profile::default()),
            _ => Ok(()),
        }
    }

    fn part(&mut self, rest: Profile) -> io::Result<()> {
        let part = Profile {
            sample: std::mem::take(&mut self.samples),
            ..rest
        };
        self.out.write_all(&part.encode_to_vec())
    }

    fn finish(mut self, rest: Profile) -> io::Result<()> {
        self.part(rest)?;
        self.out.finish()?.flush()
    }
}

/// A sample for each stack with its labels, the most frequent first.
fn grouped<'a, W: Write>(
    s: &'a Snapshot,
    all: bool,
    tables: &mut Tables<'a>,
    out: &mut Writer<W>,
) -> io::Result<()> {
    let mut walks = Walks::default();
    let mut places: HashMap<(usize, &Labels), usize> = HashMap::new();
    let mut groups: Vec<(usize, &Labels, usize)> = Vec::new();
    for g in counted(s, all) {
        let (walk, labels) = (walks.number(g, tables), labels(g));
        let place = *places.entry((walk, labels)).or_insert(groups.len());
        match groups.get_mut(place) {
            Some(group) => group.2 += 1,
            None => groups.push((walk, labels, 1)),
        }
    }
    groups.sort_by_key(|&(_, _, count)| Reverse(count));
    for (walk, labels, n) in groups {
        out.sample(walks.ids(walk), n, tables.labels(labels))?;
    }
    Ok(())
}

/// A sample for each goroutine.
fn each<'a, W: Write>(
    s: &'a Snapshot,
    all: bool,
    tables: &mut Tables<'a>,
    out: &mut Writer<W>,
) -> io::Result<()> {
    let mut walks = Walks::default();
    for g in counted(s, all) {
        let walk = walks.number(g, tables);
        let mut label = tables.labels(labels(g));
        label.push(tables.label("goid", g.goid.to_string()));
        label.push(tables.label("status", g.status.as_str()));
        if let Some(reason) = &g.waitreason {
            label.push(tables.label("waitreason", &**reason));
        }
        // The main goroutine is the runtime's start-up code's.
        if let Some(site) = g.gopc.as_ref().filter(|_| g.goid != Goid(1)) {
            let name = site.function.as_ref().map_or("?", |f| &*f.name);
            let place = format!("{name} {}:{}", site.file, site.line);
            label.push(tables.label("gopc", place));
        }
        out.sample(walks.ids(walk), 1, label)?;
    }
    Ok(())
}

/// Those of a goroutine. That some could not be read is said elsewhere.
fn labels(g: &Goroutine) -> &Labels {
    const NONE: &Labels = &Vec::new();
    g.labels.as_ref().unwrap_or(NONE)
}

fn count(n: usize) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// Stacks as lists of locations. Equal lists have one number.
#[derive(Default)]
struct Walks<'a> {
    stacks: Stacks<'a>,
    by_stack: HashMap<(usize, Option<&'static str>, bool), usize>,
    by_ids: HashMap<Vec<u64>, usize>,
    ids: Vec<Vec<u64>>,
}

impl<'a> Walks<'a> {
    fn number(&mut self, g: &'a Goroutine, tables: &mut Tables<'a>) -> usize {
        let stack = self.stacks.number(&g.frames);
        let key = (stack, mark(g), is_interrupted(g));
        if let Some(&number) = self.by_stack.get(&key) {
            return number;
        }
        let Stack { frames, mark } = Stack::new(g);
        let mut ids: Vec<u64> = frames.iter().map(|frame| tables.location(frame)).collect();
        ids.extend(mark.map(|mark| tables.mark(mark)));
        let number = *self.by_ids.entry(ids.clone()).or_insert(self.ids.len());
        if number == self.ids.len() {
            self.ids.push(ids);
        }
        self.by_stack.insert(key, number);
        number
    }

    fn ids(&self, number: usize) -> Vec<u64> {
        self.ids.get(number).cloned().unwrap_or_default()
    }
}

/// What samples refer to.
struct Tables<'a> {
    strings: HashMap<Cow<'a, str>, i64>,
    functions: HashMap<(&'a str, &'a str), u64>,
    locations: HashMap<(u64, Vec<Line>), u64>,
    text: Option<TextMapping>,
    profile: Profile,
}

impl<'a> Tables<'a> {
    fn new(snapshot: &'a Snapshot) -> Tables<'a> {
        let mut tables = Tables {
            strings: HashMap::new(),
            functions: HashMap::new(),
            locations: HashMap::new(),
            text: snapshot.target.text,
            profile: Profile::default(),
        };
        // The first string has to be the empty one.
        tables.string("");
        let goroutines = ValueType {
            r#type: tables.string("goroutine"),
            unit: tables.string("count"),
        };
        let taken = snapshot.captured_at.duration_since(UNIX_EPOCH);
        let taken = taken.ok().and_then(|t| i64::try_from(t.as_nanos()).ok());
        tables.profile = Profile {
            sample_type: vec![goroutines],
            period_type: Some(goroutines),
            period: 1,
            time_nanos: taken.unwrap_or(0),
            mapping: vec![tables.mapping(snapshot)],
            ..tables.profile
        };
        tables
    }

    /// Of the file that has the Go code, as far as it is known. `go tool pprof` goes by the GNU build ID.
    fn mapping(&mut self, s: &'a Snapshot) -> Mapping {
        let file = s.target.module.as_ref().or(s.target.exe.as_ref());
        let file = file.map_or(Cow::Borrowed(""), |path| path.to_string_lossy());
        let text = self.text;
        Mapping {
            id: MAPPING,
            memory_start: text.map_or(0, |text| text.start.0),
            memory_limit: text.map_or(0, |text| text.end.0),
            file_offset: text.map_or(0, |text| text.file_offset),
            filename: self.string(file),
            build_id: self.string(s.build.ids.gnu_hex().unwrap_or_default()),
            has_functions: true,
            has_filenames: true,
            has_line_numbers: true,
            has_inline_frames: true,
        }
    }

    fn string(&mut self, text: impl Into<Cow<'a, str>>) -> i64 {
        let next = count(self.strings.len());
        *self.strings.entry(text.into()).or_insert(next)
    }

    fn label(&mut self, key: &'a str, value: impl Into<Cow<'a, str>>) -> Label {
        Label {
            key: self.string(key),
            str: self.string(value),
            num: 0,
        }
    }

    fn labels(&mut self, labels: &'a Labels) -> Vec<Label> {
        let pairs = labels.iter();
        pairs
            .map(|(key, value)| self.label(key, &**value))
            .collect()
    }

    fn location(&mut self, frame: &PhysicalFrame<'a>) -> u64 {
        let calls = frame.calls.iter();
        let lines = calls.map(|call| Line {
            function_id: self.function(&call.function.name, &call.file),
            line: call.line.into(),
        });
        let lines = lines.collect();
        self.place(frame.at, lines)
    }

    /// A place that is none in the program.
    fn mark(&mut self, mark: &'static str) -> u64 {
        let function_id = self.function(mark, "");
        let line = Line {
            function_id,
            line: 0,
        };
        self.place(None, vec![line])
    }

    fn place(&mut self, at: Option<Addr>, line: Vec<Line>) -> u64 {
        let address = at.map_or(0, |at| at.0);
        let next = self.locations.len() as u64 + 1;
        let id = *self
            .locations
            .entry((address, line.clone()))
            .or_insert(next);
        if id == next {
            // Where it is not known what is mapped where, all is of the one file, as with Go.
            let is_mapped = at.is_some_and(|at| self.text.is_none_or(|text| text.contains(at)));
            self.profile.location.push(Location {
                id,
                mapping_id: if is_mapped { MAPPING } else { 0 },
                address,
                line,
            });
        }
        id
    }

    fn function(&mut self, name: &'a str, file: &'a str) -> u64 {
        let next = self.functions.len() as u64 + 1;
        let id = *self.functions.entry((name, file)).or_insert(next);
        if id == next {
            let name = self.string(name);
            let function = Function {
                id,
                name,
                system_name: name,
                filename: self.string(file),
            };
            self.profile.function.push(function);
        }
        id
    }

    /// All of it, with comments.
    fn finish(mut self, snapshot: &Snapshot) -> Profile {
        let taken = format!("taken by goinspect: {}", source(snapshot));
        let remarks = std::iter::once(taken).chain(caveats(snapshot, MAX_CAVEATS));
        for remark in remarks {
            let remark = Escaped(&remark).to_string();
            let index = self.string(remark);
            self.profile.comment.push(index);
        }
        let mut strings: Vec<(Cow<'_, str>, i64)> = self.strings.into_iter().collect();
        strings.sort_unstable_by_key(|&(_, index)| index);
        let strings = strings.into_iter().map(|(text, _)| text.into_owned());
        Profile {
            string_table: strings.collect(),
            ..self.profile
        }
    }
}
