//! Which of several samples is shown, and of what time it is.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::text::thousands;
use crate::timeline::Place;

/// `sample 12 of 40, 10:32:05 UTC`.
pub(super) fn place(place: Place, taken: SystemTime) -> String {
    let (number, of) = (thousands(place.number), thousands(place.of));
    let oldest = match place.first {
        1 => String::new(),
        first => format!(" (kept from {})", thousands(first)),
    };
    format!("sample {number} of {of}{oldest}, {}", time_of_day(taken))
}

fn time_of_day(time: SystemTime) -> String {
    // Of the years before 1970 no program has samples.
    let Ok(since) = time.duration_since(UNIX_EPOCH) else {
        return "at an unknown time".to_owned();
    };
    let seconds = since.as_secs() % 86_400;
    let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
    format!("{hours:02}:{minutes:02}:{:02} UTC", seconds % 60)
}
