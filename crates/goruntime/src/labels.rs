//! pprof labels (`g.labels`): a sorted list since Go 1.24, a map before.
//!
//! Sources: `runtime/pprof/label.go` (`labelMap`), `internal/runtime/pprof/label/labelset.go`,
//! and for the map `runtime/map.go` of Go 1.23 (`hmap`, `bmap`, `evacuated`).

use model::Addr;
use target::{ReadError, ReadMemory};

use crate::contract::Hmap;
use crate::limits::Limits;
use crate::values::{Header, STRING_SIZE};

/// Why a goroutine's labels could not be read.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum LabelError {
    #[error(transparent)]
    Read(#[from] ReadError),
    #[error("{0}")]
    Strange(String),
}

/// How labels are laid out in the target.
#[derive(Clone, Copy, Debug)]
pub(crate) enum LabelLayout {
    /// `*labelMap` is a pointer to a slice of (key, value), in a struct of its own.
    List,
    /// `*labelMap` is a pointer to a `map[string]string`.
    Map(Hmap),
}

/// Reads the labels that `g.labels` points to, sorted by key. Reads as much as it can before it
/// fails for want of memory, so that a capture learns of many missing ranges at once.
pub(crate) fn read(
    mem: &dyn ReadMemory,
    layout: LabelLayout,
    labels: Addr,
    limits: &Limits,
) -> Result<Vec<(String, String)>, LabelError> {
    let slots = match layout {
        LabelLayout::List => list_slots(mem, labels, limits)?,
        LabelLayout::Map(hmap) => map_slots(mem, hmap, labels, limits)?,
    };
    let mut pairs = Vec::with_capacity(slots.len());
    let mut failed = None;
    for (key, value) in slots {
        let text = |at| Header::read(mem, at).and_then(|h| h.text(mem, limits.string_bytes));
        match (text(key), text(value)) {
            (Ok(key), Ok(value)) => pairs.push((key, value)),
            (Err(why), _) | (_, Err(why)) => failed = Some(why),
        }
    }
    if let Some(why) = failed {
        return Err(why.into());
    }
    pairs.sort();
    Ok(pairs)
}

/// Addresses of the headers of keys and values.
type Slots = Vec<(Addr, Addr)>;

fn list_slots(mem: &dyn ReadMemory, labels: Addr, limits: &Limits) -> Result<Slots, LabelError> {
    let list = Header::read(mem, labels)?;
    check_count(list.len, limits)?;
    Ok((0..list.len)
        .map(|i| {
            let key = Addr(list.at.0.wrapping_add(i * 2 * STRING_SIZE));
            (key, Addr(key.0.wrapping_add(STRING_SIZE)))
        })
        .collect())
}

/// `runtime/map.go`, `bucketCnt`.
const BUCKET_CELLS: u64 = 8;
/// A bucket of a `map[string]string`: tophash, keys, values, overflow pointer.
const BUCKET_SIZE: u64 = BUCKET_CELLS + 2 * BUCKET_CELLS * STRING_SIZE + 8;
/// `runtime/map.go`, `minTopHash`: smaller values mark cells that are empty or were moved.
const MIN_TOP_HASH: u8 = 5;
/// `runtime/map.go`, `sameSizeGrow`.
const SAME_SIZE_GROW: u64 = 8;

fn map_slots(
    mem: &dyn ReadMemory,
    hmap: Hmap,
    labels: Addr,
    limits: &Limits,
) -> Result<Slots, LabelError> {
    let map = Addr(mem.read_u64(labels)?);
    if map.is_null() {
        return Ok(Slots::new());
    }
    let mut bytes = vec![0; hmap.size];
    mem.read(map, &mut bytes)?;
    let number = |field: gobinary::Scalar| field.get(&bytes).unwrap_or(0);
    let count = number(hmap.count);
    check_count(count, limits)?;
    let b = number(hmap.b);
    if b > 16 {
        return Err(LabelError::Strange(format!(
            "a label map with 2^{b} buckets"
        )));
    }
    let mut slots = Slots::new();
    let mut failed = None;
    let mut walk = |first: Addr, buckets: u64| {
        for i in 0..buckets {
            if let Err(why) = bucket_slots(
                mem,
                Addr(first.0.wrapping_add(i * BUCKET_SIZE)),
                limits,
                &mut slots,
            ) {
                failed = Some(why);
            }
        }
    };
    walk(Addr(number(hmap.buckets)), 1 << b);
    // While a map grows, entries that were not moved yet are only in the old buckets;
    // those that were have their tophash set below the minimum there.
    let old = Addr(number(hmap.oldbuckets));
    if !old.is_null() {
        let same_size = number(hmap.flags) & SAME_SIZE_GROW != 0;
        walk(
            old,
            if same_size {
                1 << b
            } else {
                1 << b.saturating_sub(1)
            },
        );
    }
    if let Some(why) = failed {
        return Err(why);
    }
    if slots.len() as u64 != count {
        return Err(LabelError::Strange(format!(
            "a label map of {count} entries holds {}",
            slots.len()
        )));
    }
    Ok(slots)
}

fn bucket_slots(
    mem: &dyn ReadMemory,
    first: Addr,
    limits: &Limits,
    slots: &mut Slots,
) -> Result<(), LabelError> {
    let mut bucket = first;
    // A chain of overflow buckets that is longer than all allowed labels leads in a circle.
    for _ in 0..=limits.labels {
        if bucket.is_null() {
            return Ok(());
        }
        let mut tophash = [0; BUCKET_CELLS as usize];
        mem.read(bucket, &mut tophash)?;
        for (i, _) in tophash
            .iter()
            .enumerate()
            .filter(|&(_, &top)| top >= MIN_TOP_HASH)
        {
            let key = bucket.0.wrapping_add(BUCKET_CELLS + i as u64 * STRING_SIZE);
            slots.push((
                Addr(key),
                Addr(key.wrapping_add(BUCKET_CELLS * STRING_SIZE)),
            ));
        }
        bucket = Addr(mem.read_u64(Addr(bucket.0.wrapping_add(BUCKET_SIZE - 8)))?);
    }
    Err(LabelError::Strange(
        "a label map whose buckets lead in a circle".into(),
    ))
}

fn check_count(count: u64, limits: &Limits) -> Result<(), LabelError> {
    if count > limits.labels as u64 {
        return Err(LabelError::Strange(format!(
            "{count} labels, more than the limit of {}",
            limits.labels
        )));
    }
    Ok(())
}
