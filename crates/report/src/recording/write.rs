//! Writing a recording.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::Duration;

use model::Snapshot;

use super::delta::write_delta;
use super::member::{Kind, pack};
use super::{END_VERSION, Header, MISSED_VERSION, RECORDING_VERSION, Remark};
use crate::json::{Style, write_json, write_object};

/// After so many samples at the latest comes a whole one: what is damaged takes no more with it.
const MAX_DELTAS: usize = 255;

/// Writes a recording, each sample as soon as it is there.
///
/// A sample is written whole if those since the last whole one have together become as large as that: so the file is never twice
/// as large as it must be, and reading a sample never takes twice as long as reading a whole one.
pub struct Recorder<W> {
    out: W,
    before: Option<Arc<Snapshot>>,
    /// Bytes of the last whole sample that what has changed since may still fill.
    room: usize,
    deltas: usize,
    written: Written,
}

/// How much was written.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Written {
    /// How many samples.
    pub samples: u64,
    /// How many bytes, with everything.
    pub bytes: u64,
}

impl<W: Write> Recorder<W> {
    /// Begins a recording; `interval` is the time between two samples, for whoever replays it.
    pub fn new(mut out: W, interval: Duration) -> io::Result<Recorder<W>> {
        let mut line = Vec::new();
        let header = Header {
            schema: RECORDING_VERSION.to_owned(),
            interval_ns: u64::try_from(interval.as_nanos()).unwrap_or(u64::MAX),
        };
        write_object(&header, Style::Line, &mut line)?;
        out.write_all(&line)?;
        Ok(Recorder {
            out,
            before: None,
            room: 0,
            deltas: 0,
            written: Written {
                samples: 0,
                bytes: line.len() as u64,
            },
        })
    }

    /// Appends a sample. After an error nothing more should be appended.
    pub fn sample(&mut self, snapshot: Arc<Snapshot>) -> io::Result<Written> {
        let delta = match &self.before {
            Some(before) if self.deltas < MAX_DELTAS => {
                let delta = pack(Kind::Delta, |out| write_delta(before, &snapshot, out))?;
                (delta.len() < self.room).then_some(delta)
            }
            _ => None,
        };
        let member = match delta {
            Some(delta) => {
                self.deltas += 1;
                self.room -= delta.len();
                delta
            }
            None => {
                let whole = pack(Kind::Whole, |out| write_json(&snapshot, Style::Line, out))?;
                self.deltas = 0;
                self.room = whole.len();
                whole
            }
        };
        self.append(&member)?;
        self.before = Some(snapshot);
        self.written.samples += 1;
        Ok(self.written)
    }

    /// Tells that a sample could not be taken, and why.
    pub fn missed(&mut self, why: &str) -> io::Result<()> {
        self.remark(Kind::Missed, MISSED_VERSION, why)
    }

    /// Ends the recording and tells why. One that does not end so was cut off.
    pub fn end(mut self, why: &str) -> io::Result<Written> {
        self.remark(Kind::End, END_VERSION, why)?;
        self.out.flush()?;
        Ok(self.written)
    }

    fn remark(&mut self, kind: Kind, schema: &str, message: &str) -> io::Result<()> {
        let remark = Remark {
            schema: schema.to_owned(),
            message: message.to_owned(),
        };
        let member = pack(kind, |out| write_object(&remark, Style::Line, out))?;
        self.append(&member)
    }

    /// In one go, for a recorder may be killed at any time.
    fn append(&mut self, member: &[u8]) -> io::Result<()> {
        self.out.write_all(member)?;
        self.written.bytes += member.len() as u64;
        Ok(())
    }
}
